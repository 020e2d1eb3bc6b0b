import { decode } from '../../../plans/protocol/codec.ts';
import type { NetworkMessage } from './faulty-network.ts';

/**
 * The events of a run as a hash: two runs of one seed that differ anywhere differ here. Readable lines only if somebody
 * reads them.
 */
export class EventLog {
  readonly #now: () => number;
  readonly #print: ((line: string) => void) | undefined;
  #hash = 0x811c9dc5;
  events = 0;

  constructor(now: () => number, print?: (line: string) => void) {
    this.#now = now;
    this.#print = print;
  }

  /** FNV-1a over all events, 8 hexadecimal digits. */
  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  event(process: string, what: string): void {
    this.#mix(process);
    this.#mix(what);
    this.#print?.(this.#line(process, what));
  }

  message(process: string, how: string, { subject, data }: NetworkMessage): void {
    this.#mix(process);
    this.#mix(how);
    this.#mix(subject);
    let hash = this.#hash;
    for (let i = 0; i < data.length; i++) hash = Math.imul(hash ^ data[i], 0x01000193);
    this.#hash = hash;
    if (this.#print !== undefined && !isHeartbeat(subject)) this.#print(this.#line(process, `${how} ${subject} ${shown(data)}`));
  }

  #mix(text: string): void {
    let hash = Math.imul(this.#hash ^ Math.round(this.#now() * 1024), 0x01000193);
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    this.#hash = hash;
    this.events++;
  }

  #line(process: string, what: string): string {
    return `${this.#now().toFixed(3).padStart(10)} ${process.padEnd(12)} ${what}`;
  }
}

const OPEN_BRACE = 0x7b;

/** Ten a second from each device and frontend: they would hide the rest. */
function isHeartbeat(subject: string): boolean {
  return subject.includes('.state.') || subject.includes('.load.');
}

function shown(data: Uint8Array): string {
  if (data.length === 0) return '(empty)';
  // Messages for people and the client library are JSON; none of our other messages begins with a brace.
  if (data[0] === OPEN_BRACE) return Buffer.from(data).toString();
  return JSON.stringify(decode(data), (_, value) => (ArrayBuffer.isView(value) ? `${value.byteLength} bytes` : value));
}
