import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Operator } from '../../actors/dashboard/operator.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { operatorDeployment } from '../support/operator-deployment.ts';
import { credentialsOf, PASSWORDS } from '../support/roles.ts';

/** Orders through the dashboard, to a server with the roles of conf/nats: NATS decides who may give them. */
let store: string;
let server: NatsServer;
let operator: Operator;

beforeAll(async () => {
  for (const [name, value] of Object.entries(PASSWORDS)) vi.stubEnv(name, value);
  store = mkdtempSync(join(tmpdir(), 'cascade-store-'));
  vi.stubEnv('CASCADE_STORE_DIR', store);
  server = await startNatsServer({ configFile: 'conf/nats/server.conf' });
  const deployment = operatorDeployment(server.url);
  // As the process of a dashboard has it: with credentials of its own, which are not lent to anybody.
  const own = { ...deployment, nats: { ...deployment.nats, ...credentialsOf('internal') } };
  operator = new Operator(own, [server.url.replace('nats://', 'nats://internal:secret-of-internal@')]);
});

afterAll(async () => {
  await server.stop();
  rmSync(store, { recursive: true });
  vi.unstubAllEnvs();
});

test('an operator’s order reaches the plan-keeper and comes back with its verdict', async () => {
  const keeper = await connectNats({ servers: server.url, ...credentialsOf('internal') });
  const orders = keeper.messages$('cascade.test.control.plan').subscribe(({ reply, data }) => {
    expect(JSON.parse(Buffer.from(data).toString())).toEqual({ rollback: 3 });
    keeper.publish(reply, Buffer.from('{"accepted":true,"revision":4}'));
  });
  await keeper.flush();
  expect(await operator.rollback({ user: 'operator', password: 'secret-of-operator' }, 3)).toEqual({
    status: 200,
    text: 'revision 4 is in force',
  });
  orders.unsubscribe();
  await keeper.close();
});

test.each([
  ['nobody', '', ''],
  ['a wrong password', 'operator', 'guess'],
  ['what names a variable of our environment', 'internal', `\${CASCADE_INTERNAL_PASSWORD}`],
  ['a name that would widen the inbox', 'operator.>', 'secret-of-operator'],
])('%s is not let in', async (_, user, password) => {
  const { status, text } = await operator.rollback({ user, password }, true);
  expect(status).toBe(401);
  expect(text).toContain('NATS does not let this user in');
  expect(text).not.toContain('secret-of');
});
