/** NATS adds this header to requests from another account if the import has `share: true` (see conf/nats/roles.conf). */
const REQUEST_INFO = 'Nats-Request-Info';
const INFO_MAX_LENGTH = 2_048;
const REMEMBERED = 1_024;
/** Header of a stored request when the durable ingress sends it to the frontends. */
export const STORED_HEADER = 'Cascade-Stored';
/** NATS gives requests from another account such a reply subject, and translates it back. */
export const REPLY_TO_ANOTHER_ACCOUNT = '_R_.';

interface ReceivedMessage {
  readonly reply: string;
  header(name: string): string | undefined;
}

/**
 * Whether the durable ingress sent a message. The header counts only within our own account: a client there may claim it, but gains
 * nothing, because it chooses its reply subjects, with which it can pretend to be many clients anyway.
 */
export function isFromStore(message: ReceivedMessage): boolean {
  if (message.header(STORED_HEADER) === undefined) return false;
  const { reply } = message;
  return reply !== '' && !reply.startsWith(REPLY_TO_ANOTHER_ACCOUNT) && message.header(REQUEST_INFO) === undefined;
}

/**
 * Assigns each client a number that is the same in all processes. It is derived from the account, the user and the connection's name
 * (or its server and id, if it has no name) when NATS reports them, else from the reply subject without its last token, which is the inbox of a
 * connection. Clients choose the reply subject and the connection's name themselves.
 */
export class ClientNumbers {
  /** By the content of the header, which hardly ever changes during a connection. */
  readonly #byInfo = new Map<string, number>();

  of(message: ReceivedMessage): number {
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
  let parsed: unknown;
  try {
    parsed = JSON.parse(info);
  } catch {
    // No server wrote this, so fall back to the reply subject.
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null || !('acc' in parsed)) return undefined;
  const { acc, user, name, server, id } = parsed as Record<string, unknown>;
  return JSON.stringify([acc, user, name ?? [server, id]]);
}

/** FNV-1a, 32 bits, over the first `length` characters. */
function hash(text: string, length: number): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
