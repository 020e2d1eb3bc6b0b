import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import { afterEach, expect, it } from 'vitest';
import { connectCascade } from '../../actors/client/client.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { isFailure } from '../../plans/protocol/messages.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { resultFor, type StubRequest, stubFrontend } from '../support/stub-frontend.ts';

const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

it('gets every answer even if the NATS server dies and comes back meanwhile', async () => {
  const port = await freePort();
  const first = await startNatsServer({ port });
  cleanups.push(() => first.stop());
  const bus = await connectNats({ servers: first.url });
  cleanups.push(() => bus.close());
  const client = await connectCascade({ servers: first.url, deployment: 'test' });
  cleanups.push(() => client.close());

  let silent = true;
  const held: StubRequest[] = [];
  await stubFrontend(bus, (request) => {
    if (silent) held.push(request);
    else request.answer(resultFor(request.id));
  });
  const ids = Array.from({ length: 500 }, (_, i) => `r${i}`);
  const requests = ids.map((id) => ({ id, inputs: { x: 1 } }));
  const answers = lastValueFrom(client.inferMany(requests, { concurrency: 100 }).pipe(toArray()));
  await eventually(() => expect(held).toHaveLength(100));

  first.kill('SIGKILL');
  await first.exited;
  silent = false;
  const second = await startNatsServer({ port });
  cleanups.push(() => second.stop());

  const got = await answers;
  expect(got.filter(isFailure)).toEqual([]);
  expect(got.map(({ id }) => id).sort()).toEqual([...ids].sort());
});

it('connects with any name, which another client may have, too', async () => {
  const server = await startNatsServer();
  cleanups.push(() => server.stop());
  const bus = await connectNats({ servers: server.url });
  cleanups.push(() => bus.close());
  await stubFrontend(bus, ({ id, answer }) => answer(resultFor(id, 1)));
  const ids: string[] = [];
  for (const name of ['Billing service', 'Billing service', 'billing.', '>']) {
    const client = await connectCascade({ servers: server.url, deployment: 'test', name });
    cleanups.push(() => client.close());
    ids.push((await client.infer({ x: 1 })).id);
  }
  expect(new Set(ids).size).toBe(4);
});

it('works with permissions to publish requests and read one inbox only', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cascade-test-'));
  cleanups.push(() => rm(folder, { recursive: true }));
  const configFile = join(folder, 'nats.conf');
  await writeFile(
    configFile,
    `authorization { users = [
      { user: server, password: s }
      { user: client, password: c, permissions: { publish: ["cascade.test.infer"], subscribe: ["_INBOX_client.>"] } }
    ] }`,
  );
  const server = await startNatsServer({ configFile });
  cleanups.push(() => server.stop());
  const bus = await connectNats({ servers: server.url, user: 'server', password: 's' });
  cleanups.push(() => bus.close());
  await stubFrontend(bus, ({ id, answer }) => answer(resultFor(id, 1)));

  const login = { servers: server.url, user: 'client', password: 'c', deployment: 'test' };
  const client = await connectCascade({ ...login, inboxPrefix: '_INBOX_client' });
  cleanups.push(() => client.close());
  expect((await client.infer({ x: 1 })).label).toBe(1);

  const stranger = await connectCascade(login);
  cleanups.push(() => stranger.close());
  await expect(stranger.infer({ x: 1 })).rejects.toMatchObject({ code: 'UNAVAILABLE', message: /inbox .* is refused/ });
});
