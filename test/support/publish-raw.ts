import { once } from 'node:events';
import { connect } from 'node:net';

export interface RawMessage {
  readonly subject: string;
  readonly reply?: string;
  readonly data: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** Publishes messages byte by byte, without a client library to check their headers. Resolves when the server has them. */
export async function publishRaw(url: string, messages: readonly RawMessage[]): Promise<void> {
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  let heard = '';
  const said = new Promise<void>((resolve, reject) => {
    socket.on('data', (data) => {
      heard += data.toString();
      if (heard.includes('-ERR')) reject(new Error(heard));
      if (heard.includes('PONG')) resolve();
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`the server closed the connection: ${heard}`)));
  });
  try {
    await once(socket, 'connect');
    socket.write('CONNECT {"verbose":false,"headers":true}\r\n');
    for (const { subject, reply = '', data, headers } of messages) {
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      const head = Buffer.from(`NATS/1.0\r\n${lines.join('')}\r\n`);
      socket.write(`HPUB ${subject} ${reply} ${head.length} ${head.length + data.length}\r\n`);
      socket.write(Buffer.concat([head, data, Buffer.from('\r\n')]));
    }
    socket.write('PING\r\n');
    await said;
  } finally {
    socket.destroy();
  }
}
