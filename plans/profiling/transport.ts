import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { median } from './curve.ts';

/** Cost of messages for a process, whatever they contain. */
export interface Transport {
  /** From one process to another through a third, as through the NATS server. */
  readonly hopMs: number;
  /** CPU time for a process to wake up for a message, read it and write one. */
  readonly messageMs: number;
}

const WARM_UP_TRIPS = 200;
const TRIPS = 600;

/** Echoes messages in this process, in place of the NATS server. */
export async function startEcho(): Promise<{ readonly port: number; close(): void }> {
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.pipe(socket);
    // The other side disconnects without notice when it is done.
    socket.on('error', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

/**
 * Bounces messages off the echo in another process. A bounce crosses two sockets, like a NATS message from publisher through server to
 * subscriber, so its time is that of a hop.
 * @param bytes size of a message.
 */
export async function measureTransport(port: number, bytes: number): Promise<Transport> {
  const socket = connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  await once(socket, 'connect');
  const message = Buffer.alloc(bytes, 1);
  const times: number[] = [];
  let cpu = process.cpuUsage();
  for (let trip = -WARM_UP_TRIPS; trip < TRIPS; trip++) {
    if (trip === 0) cpu = process.cpuUsage();
    const startedAt = performance.now();
    socket.write(message);
    for (let received = 0; received < bytes; ) received += ((await once(socket, 'data')) as [Buffer])[0].length;
    if (trip >= 0) times.push(performance.now() - startedAt);
  }
  const used = process.cpuUsage(cpu);
  socket.end();
  return { hopMs: median(times), messageMs: (used.user + used.system) / 1_000 / TRIPS };
}
