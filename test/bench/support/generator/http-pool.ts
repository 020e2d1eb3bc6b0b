import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { HttpFormat } from './http-formats.ts';
import type { AnswerSink, Transport } from './transport.ts';

interface Connection {
  readonly socket: Socket;
  /** The request on this connection, -1 if idle. */
  request: number;
  rest: Buffer | undefined;
  failure: string;
}

/**
 * HTTP/1.1 over keep-alive connections, with one request at a time on each. There are `open` at the start and up to `most` when no
 * connection is idle; further requests wait here, and their latency includes the wait.
 */
export async function openHttp(
  url: string,
  format: HttpFormat,
  bodyOf: (request: number) => Uint8Array,
  sink: AnswerSink,
  { open, most }: { open: number; most: number },
): Promise<Transport> {
  const { hostname, port, host, pathname } = new URL(url);
  const idle: Connection[] = [];
  const waiting: number[] = [];
  let firstWaiting = 0;
  let opened = 0;
  let waited = 0;
  let closing = false;
  const head = `POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\n${format.headers}Content-Length: `;
  const all: Connection[] = [];
  await Promise.all(Array.from({ length: open }, () => once(add().socket, 'connect')));
  idle.push(...all);
  return {
    send(from, to) {
      for (let request = from; request < to; request++) sendOne(request);
    },
    get waited() {
      return waited;
    },
    close() {
      closing = true;
      for (const { socket } of all) socket.destroy();
    },
  };

  function add(): Connection {
    const socket = connect({ host: hostname, port: Number(port || 80), noDelay: true });
    const connection: Connection = { socket, request: -1, rest: undefined, failure: 'connection closed' };
    opened++;
    all.push(connection);
    socket.on('data', (chunk: Buffer) => receive(connection, chunk));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      connection.failure = error.code ?? error.message;
    });
    socket.on('close', () => lose(connection));
    return connection;
  }

  function sendOne(request: number): void {
    const connection = idle.pop() ?? (opened < most ? add() : undefined);
    if (connection === undefined) {
      waiting.push(request);
      waited++;
    } else write(connection, request);
  }

  function write(connection: Connection, request: number): void {
    const body = bodyOf(request);
    const line = `${head}${body.length}\r\n\r\n`;
    const message = Buffer.allocUnsafe(line.length + body.length);
    message.write(line, 'latin1');
    message.set(body, line.length);
    connection.request = request;
    connection.socket.write(message);
  }

  function receive(connection: Connection, chunk: Buffer): void {
    const data = connection.rest === undefined ? chunk : Buffer.concat([connection.rest, chunk]);
    const end = data.indexOf('\r\n\r\n', 0, 'latin1');
    const header = end === -1 ? '' : data.toString('latin1', 0, end);
    const length = Number(/content-length: *(\d+)/i.exec(header)?.[1]);
    if (end !== -1 && Number.isNaN(length)) throw new Error(`${url}: an answer without content-length: ${header}`);
    if (end === -1 || data.length < end + 4 + length) {
      connection.rest = data;
      return;
    }
    connection.rest = undefined;
    const { request } = connection;
    // "HTTP/1.1 200 OK"
    const status = header.slice(9, 12);
    if (status === '200') {
      const { label, model } = format.answer(JSON.parse(data.toString('utf8', end + 4)));
      sink.answered(request, label, model, -1);
    } else sink.failed(request, `HTTP ${status}`);
    connection.request = -1;
    if (firstWaiting < waiting.length) write(connection, waiting[firstWaiting++]);
    else idle.push(connection);
  }

  function lose(connection: Connection): void {
    if (closing) return;
    opened--;
    const at = idle.indexOf(connection);
    if (at !== -1) idle.splice(at, 1);
    if (connection.request !== -1) sink.failed(connection.request, connection.failure);
  }
}
