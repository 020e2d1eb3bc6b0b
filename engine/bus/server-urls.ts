/** NATS servers, and the credentials from their URLs. */
export interface ServerUrls {
  /** Without credentials, so safe to show. */
  readonly servers: readonly string[];
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
}

const URL_PARTS = /^([a-z]+:\/\/)?(?:([^@/]*)@)?(.*)$/i;

/**
 * Extracts the credentials from URLs such as `nats://user:password@host:4222` and `nats://token@host`. The first URL with credentials
 * counts, because the client uses the same ones for all servers. It works on the text rather than a URL object, so that no secret of a
 * malformed address is shown either.
 */
export function parseServerUrls(urls: readonly string[]): ServerUrls {
  const parts = urls.map((url) => {
    const [, scheme = '', credentials, address] = URL_PARTS.exec(url.trim()) ?? [];
    return { server: `${scheme}${address}`, credentials };
  });
  const servers = parts.map(({ server }) => server);
  const found = parts.find(({ credentials }) => credentials !== undefined)?.credentials;
  if (found === undefined) return { servers };
  const colon = found.indexOf(':');
  if (colon === -1) return { servers, token: decoded(found) };
  return { servers, user: decoded(found.slice(0, colon)), password: decoded(found.slice(colon + 1)) };
}

/** Server URLs for people. */
export function shownServers(urls: readonly string[]): string {
  return parseServerUrls(urls).servers.join(', ');
}

/** Percent-decoded; a stray % stands for itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
