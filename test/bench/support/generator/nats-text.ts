import { once } from 'node:events';
import { connect } from 'node:net';
import { Unpackr } from 'msgpackr';
import type { AnswerSink, Transport } from './transport.ts';

const CR = 13;
const LF = 10;
const SPACE = 32;
const unpackr = new Unpackr({ useRecords: false });
const OPTIONS = { verbose: false, pedantic: false, headers: true, no_responders: true, protocol: 1, name: 'generator' };

/** A connection that speaks the NATS text protocol: one message per request, all messages of a turn in one write. */
export async function openNats(
  url: string,
  subject: string,
  bodyOf: (request: number) => Uint8Array,
  sink: AnswerSink,
): Promise<Transport> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port || 4222), noDelay: true });
  socket.on('error', (error) => {
    throw new Error(`${url}: ${error.message}`);
  });
  await once(socket, 'connect');
  const inbox = `_INBOX.${process.pid.toString(36)}${Date.now().toString(36)}`;
  let ready = (): void => undefined;
  const subscribed = new Promise<void>((resolve) => {
    ready = resolve;
  });
  let rest: Buffer | undefined;
  socket.on('data', (chunk: Buffer) => {
    const data = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
    const parsed = parse(data);
    rest = parsed === data.length ? undefined : data.subarray(parsed);
  });
  socket.write(`CONNECT ${JSON.stringify(OPTIONS)}\r\nSUB ${inbox}.* 1\r\nPING\r\n`);
  await subscribed;
  return { send, waited: 0, close: () => socket.destroy() };

  function send(from: number, to: number): void {
    const heads: string[] = [];
    let length = 0;
    for (let request = from; request < to; request++) {
      const size = bodyOf(request).length;
      const head = `PUB ${subject} ${inbox}.${request.toString(36)} ${size}\r\n`;
      heads.push(head);
      length += head.length + size + 2;
    }
    const message = Buffer.allocUnsafe(length);
    let at = 0;
    for (let request = from; request < to; request++) {
      const body = bodyOf(request);
      at += message.write(heads[request - from], at, 'latin1');
      message.set(body, at);
      at += body.length;
      message[at++] = CR;
      message[at++] = LF;
    }
    socket.write(message);
  }

  /** Consumes complete messages. @returns the number of bytes consumed. */
  function parse(data: Buffer): number {
    let at = 0;
    for (;;) {
      const end = data.indexOf('\r\n', at, 'latin1');
      if (end === -1) return at;
      const first = data[at];
      // MSG or HMSG
      if (first === 0x4d || first === 0x48) {
        const next = message(data, at, end);
        if (next === -1) return at;
        at = next;
        continue;
      }
      const line = data.toString('latin1', at, end);
      if (line === 'PING') socket.write('PONG\r\n');
      else if (line === 'PONG') ready();
      else if (line.startsWith('-ERR')) throw new Error(`${url}: the server says ${line}`);
      at = end + 2;
    }
  }

  /** `MSG subject sid bytes` or `HMSG subject sid header-bytes bytes`. @returns where it ends, -1 if it is incomplete. */
  function message(data: Buffer, at: number, end: number): number {
    const withHeaders = data[at] === 0x48;
    const subjectAt = at + (withHeaders ? 5 : 4);
    const subjectEnd = data.indexOf(SPACE, subjectAt);
    let total = 0;
    let digits = end - 1;
    for (let unit = 1; data[digits] !== SPACE; digits--, unit *= 10) total += unit * (data[digits] - 48);
    const bodyAt = end + 2;
    const next = bodyAt + total + 2;
    if (next > data.length) return -1;
    let headerBytes = 0;
    if (withHeaders) {
      for (let unit = 1, i = digits - 1; data[i] !== SPACE; i--, unit *= 10) headerBytes += unit * (data[i] - 48);
    }
    let request = 0;
    for (let i = subjectAt + inbox.length + 1; i < subjectEnd; i++) request = request * 36 + digit(data[i]);
    if (headerBytes === total) sink.failed(request, data.toString('latin1', bodyAt, bodyAt + total).split('\r\n', 1)[0]);
    else answer(request, data.subarray(bodyAt + headerBytes, bodyAt + total));
    return next;
  }

  function answer(request: number, body: Uint8Array): void {
    const { label, model, gear, error } = unpackr.unpack(body) as {
      label: number;
      model: string;
      gear: number;
      error?: { code: string };
    };
    if (error !== undefined) sink.failed(request, error.code);
    else sink.answered(request, label, model, gear);
  }
}

function digit(character: number): number {
  return character < 58 ? character - 48 : character - 87;
}
