/** NATS servers, and the credentials that stood in their URLs. */
export interface ServerUrls {
  /** Without credentials: these may be shown. */
  readonly servers: readonly string[];
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
}

const URL_PARTS = /^([a-z]+:\/\/)?(?:([^@/]*)@)?(.*)$/i;

/**
 * Takes the credentials out of URLs such as `nats://user:password@host:4222` and `nats://token@host`; of several URLs the first
 * that has some gives them, as the client enters every server alike. By text and not as URL, so that nothing of an address that
 * is wrong is shown either.
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

/** Percent-encoded where it was needed; a stray % stands for itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
