import { createServer } from 'node:net';
import { type HttpAddress, shownAddress } from '../http/address.ts';
import { whyNot } from '../http/listen.ts';
import { type Finding, Findings } from './finding.ts';

const OPTIONS = ['http', 'grpc', 'metrics', 'dashboard', 'health'] as const;

/** The addresses that `serve` would listen on, by option. */
export type Ports = { readonly [Option in (typeof OPTIONS)[number]]?: HttpAddress };

/** Checks that each address is free by listening on it for a moment. */
export async function checkPorts(wanted: Ports): Promise<readonly Finding[]> {
  const ports = new Findings('ports');
  const given = OPTIONS.flatMap((option) => {
    const address = wanted[option];
    return address === undefined ? [] : [{ option, address }];
  });
  for (const [i, { option, address }] of given.entries()) {
    const where = `--${option} ${shownAddress(address)}`;
    const twin = given.slice(0, i).find((before) => address.port !== 0 && before.address.port === address.port);
    const error = twin === undefined ? await listenError(address) : undefined;
    if (twin !== undefined) ports.problem(`${where}: --${twin.option} has this port; give each one of its own`);
    else if (error !== undefined) ports.problem(`${where}: ${whyNot(error)}`);
    else ports.ok(`${where} is free`);
  }
  return ports.list;
}

function listenError({ host, port }: HttpAddress): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
}
