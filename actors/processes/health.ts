import { createServer } from 'node:http';
import { ConfigError } from '../../engine/errors.ts';
import { type HttpAddress, shownAddress } from '../http/address.ts';
import { whyNot } from '../http/listen.ts';
import { phase } from './phase.ts';

/**
 * Tells those who start and stop this process, such as Kubernetes, how it is: `/healthz` answers while its event loop turns,
 * `/readyz` with 200 from when it is up until it drains, else with 503. Does not keep the process alive.
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
