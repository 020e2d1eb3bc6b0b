/** NATS tells of whom a request is that comes from another account, where the import has `share: true` (see conf/nats/roles.conf). */
const REQUEST_INFO = 'Nats-Request-Info';
const INFO_MAX_LENGTH = 2_048;
const REMEMBERED = 1_024;

/**
 * Tells clients apart, by numbers that are the same in all processes: by account, user and name of the connection (or the connection,
 * where it has no name) where NATS tells them; else by the reply subject without its last token, which is the inbox of a connection.
 * What NATS does not tell, clients choose themselves.
 */
export class ClientNumbers {
  /** By what NATS says of a connection, which hardly ever changes. */
  readonly #byInfo = new Map<string, number>();

  of(message: { readonly reply: string; header(name: string): string | undefined }): number {
    const info = message.header(REQUEST_INFO);
    return (info === undefined ? undefined : this.#ofInfo(info)) ?? hash(message.reply, message.reply.lastIndexOf('.'));
  }

  #ofInfo(info: string): number | undefined {
    const known = this.#byInfo.get(info);
    if (known !== undefined) return known;
    const name = nameIn(info);
    if (name === undefined) return undefined;
    if (this.#byInfo.size >= REMEMBERED) this.#byInfo.clear();
    const number = hash(name, name.length);
    this.#byInfo.set(info, number);
    return number;
  }
}

function nameIn(info: string): string | undefined {
  if (info.length > INFO_MAX_LENGTH) return undefined;
  let told: unknown;
  try {
    told = JSON.parse(info);
  } catch {
    // No server wrote this; the reply subject tells as much.
    return undefined;
  }
  if (typeof told !== 'object' || told === null || !('acc' in told)) return undefined;
  const { acc, user, name, server, id } = told as Record<string, unknown>;
  return JSON.stringify([acc, user, name ?? [server, id]]);
}

/** FNV-1a, 32 bits, of the first characters of a text. */
function hash(text: string, length: number): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
