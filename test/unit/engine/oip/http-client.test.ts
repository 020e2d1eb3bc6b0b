import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { httpOipClient } from '../../../../engine/oip/http-client.ts';
import { hasOpenssl, writeCertificates } from '../../../support/certificates.ts';

const answer: RequestListener = async (request, response) => {
  for await (const _ of request);
  response.setHeader('Content-Type', 'application/json');
  response.end(
    request.url === '/v2'
      ? '{"name":"s","extensions":["binary_tensor_data"]}'
      : '{"outputs":[{"name":"y","datatype":"FP32","shape":[1,2],"data":[0.25,0.75]}]}',
  );
};

test.each([
  { scheme: 'http', bytes: 100, idle: 1 },
  { scheme: 'http', bytes: 100, idle: 3 },
  // More than the system takes at once: the rest is written when the connection is already known to be closed.
  { scheme: 'http', bytes: 8_000_000, idle: 1 },
  { scheme: 'http', bytes: 8_000_000, idle: 3 },
  ...(hasOpenssl ? [{ scheme: 'https', bytes: 8_000_000, idle: 3 }] : []),
])(
  '$bytes bytes over $scheme arrive although the server has just closed $idle idle connections',
  async ({ scheme, bytes, idle }) => {
    const folder = mkdtempSync(join(tmpdir(), 'cascade-http-client-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const pem = (name: string): Buffer => readFileSync(join(folder, name));
    if (scheme === 'https') writeCertificates(folder);
    const server =
      scheme === 'https' ? createTlsServer({ cert: pem('server.pem'), key: pem('server.key') }, answer) : createServer(answer);
    const sockets: Socket[] = [];
    server.on('connection', (socket) => sockets.push(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const client = httpOipClient({
      url: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`,
      timeoutMs: 60_000,
      headers: {},
      tls: scheme === 'https' ? { ca: pem('ca.pem') } : {},
    });
    onTestFinished(() => client.close());
    await client.extensions();
    await Promise.all(Array.from({ length: idle }, () => client.serverName()));
    expect(sockets).toHaveLength(idle);
    await new Promise(setImmediate);

    for (const socket of sockets) socket.destroy();
    // Begins before the client's event loop has seen that the connections are closed.
    const outputs = await client.infer(
      { name: 'm' },
      [{ name: 'x', dtype: 'uint8', shape: [1, bytes], data: new Uint8Array(bytes) }],
      [],
    );
    expect(outputs[0].shape).toEqual([1, 2]);
    expect(sockets).toHaveLength(idle + 1);
  },
);
