import { createServer } from 'node:http';
import { ConfigError } from '../../engine/errors.ts';
import { type HttpAddress, shownAddress } from '../http/address.ts';
import { whyNot } from '../http/listen.ts';
import { phase } from './phase.ts';

/**
 * Serves health checks, such as those of Kubernetes: `/healthz` answers while the event loop runs; `/readyz` answers 200 from
 * when the process is up until it drains, and 503 otherwise. Does not keep the process alive.
 * @throws ConfigError when the address cannot be listened on.
 */
export async function serveHealth(address: HttpAddress): Promise<void> {
  const server = createServer((request, response) => {
    const [path] = (request.url ?? '').split('?', 1);
    const known = path === '/healthz' || path === '/readyz';
    const status = !known ? 404 : path === '/readyz' && phase() !== 'ready' ? 503 : 200;
    response.writeHead(status, { 'Content-Type': 'text/plain' });
    response.end(known ? `${path === '/healthz' ? 'alive' : phase()}\n` : 'ask for /healthz or /readyz\n');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new ConfigError(`--health ${shownAddress(address)}: ${whyNot(error)}`)));
    server.listen(address.port, address.host, resolve);
  });
  server.unref();
}
