import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { serveHealth } from '../../../../actors/processes/health.ts';
import { setPhase } from '../../../../actors/processes/phase.ts';
import { freePort } from '../../../support/free-port.ts';

test('is alive all the time, and ready only between start and drain', async () => {
  const port = await freePort();
  await serveHealth({ host: '127.0.0.1', port });
  const ask = async (path: string): Promise<[number, string]> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return [response.status, await response.text()];
  };
  expect(await ask('/readyz')).toEqual([503, 'starting\n']);
  setPhase('ready');
  expect(await ask('/readyz?verbose')).toEqual([200, 'ready\n']);
  setPhase('draining');
  expect(await ask('/readyz')).toEqual([503, 'draining\n']);
  expect(await ask('/healthz')).toEqual([200, 'alive\n']);
  expect(await ask('/')).toEqual([404, 'ask for /healthz or /readyz\n']);
});

test('says if the port is taken', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as { readonly port: number };
  await expect(serveHealth({ host: '127.0.0.1', port })).rejects.toThrow(`--health 127.0.0.1:${port}: another process listens`);
  taken.close();
});
