import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NEVER, startWith } from 'rxjs';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { statusActor } from '../../actors/controller/status.ts';
import { Operator } from '../../actors/dashboard/operator.ts';
import { requestStatus } from '../../actors/operator/ask-status.ts';
import { type WatchedSecond, watchActor } from '../../actors/watch/watch.ts';
import { startActor } from '../../engine/actor/actor.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { realClock } from '../../engine/clock.ts';
import { silentLogger } from '../../engine/log.ts';
import { encode } from '../../plans/protocol/codec.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { eventually } from '../support/eventually.ts';
import { operatorDeployment } from '../support/operator-deployment.ts';
import { deviceState, planOf } from '../support/plans.ts';
import { credentialsOf, PASSWORDS } from '../support/roles.ts';

/** Orders through the dashboard to a server with the roles of conf/nats: NATS decides who may give them. */
let store: string;
let server: NatsServer;
let operator: Operator;

beforeAll(async () => {
  for (const [name, value] of Object.entries(PASSWORDS)) vi.stubEnv(name, value);
  store = mkdtempSync(join(tmpdir(), 'cascade-store-'));
  vi.stubEnv('CASCADE_STORE_DIR', store);
  server = await startNatsServer({ configFile: 'conf/nats/server.conf' });
  const deployment = operatorDeployment(server.url);
  // Like a dashboard process, it has its own credentials, which it lends to nobody.
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

test('an operator pins a gear: NATS lets the order through, and the answer comes back as text', async () => {
  const controller = await connectNats({ servers: server.url, ...credentialsOf('internal') });
  const orders = controller.messages$('cascade.test.control.pin').subscribe(({ reply, data }) => {
    const { gear } = JSON.parse(Buffer.from(data).toString()) as { gear: number };
    const verdict = gear > 2 ? { accepted: false, reason: 'gear: 3; too many' } : { accepted: true, gear, until: 60_000 };
    controller.publish(reply, Buffer.from(JSON.stringify(verdict)));
  });
  await controller.flush();
  const pin = (order: string) => operator.pin({ user: 'operator', password: 'secret-of-operator' }, Buffer.from(order));
  expect(await pin('{"gear": 2, "forMs": 60000}')).toEqual({
    status: 200,
    text: 'gear 2 is pinned until 1970-01-01T00:01:00Z',
  });
  expect(await pin('{"gear": 3}')).toEqual({ status: 409, text: 'rejected: gear: 3; too many' });
  expect(await pin('{"gear": "two"}')).toMatchObject({
    status: 400,
    text: expect.stringMatching(/^gear: .*; send \{"gear": 2\}/),
  });
  orders.unsubscribe();
  await controller.close();
});

test('an operator’s permissions are enough to watch', async () => {
  const internal = await connectNats({ servers: server.url, ...credentialsOf('internal') });
  const own = await connectNats({ servers: server.url, ...credentialsOf('operator') });
  const subjects = subjectsOf('test');
  const plan = planOf({ models: ['small'] });
  const leading$ = NEVER.pipe(startWith(true));
  const start = { revision: 1, plan };
  const system = { clock: realClock, log: silentLogger };
  const status = startActor(statusActor({ deployment: 'test', subjects, start, leading$ }), { ...system, bus: internal });
  await internal.flush();
  const seconds: WatchedSecond[] = [];
  const known = await requestStatus(own, subjects);
  const watch = startActor(watchActor({ subjects, status: known, onSecond: (second) => seconds.push(second) }), {
    ...system,
    bus: own,
  });
  await own.flush();
  await eventually(() => {
    internal.publish(subjects.state('d0'), encode(deviceState({ slowdown: 3 })));
    internal.publish(subjects.load('f'), encode({ frontend: 'f', pid: 1, intervalMs: 100, arrivals: 1 }));
    internal.publish(subjects.gear, encode({ revision: 1, gear: 0, epoch: 1, decidedAt: 0 }));
    internal.publish(subjects.events, encode({ type: 'device-back', device: 'd0' }));
    const last = seconds.at(-1);
    expect(last?.second).toMatchObject({ gear: 0, slowdown: { d0: 3 } });
    expect(last?.second.qps).toBeGreaterThan(0);
    expect(last?.happenings.map(({ text }) => text)).toContain('device-back d0');
    expect(last?.status?.devices).toMatchObject([{ device: 'd0' }]);
  });
  await Promise.all([watch.stop(1_000), status.stop(1_000)]);
  await Promise.all([internal.close(), own.close()]);
});

test('a name that would widen the inbox is refused before NATS sees it', async () => {
  const { status, text } = await operator.rollback({ user: 'operator.>', password: 'secret-of-operator' }, true);
  expect([status, text]).toEqual([400, expect.stringMatching(/nats.inboxPrefix.*letters, digits/)]);
});

test('without an inbox of its own, a user may have any name that NATS accepts', async () => {
  const configFile = join(store, 'users.conf');
  writeFileSync(configFile, 'authorization { users: [{ user: "ops@example.com", password: secret }] }');
  const other = await startNatsServer({ configFile });
  const plain = new Operator(operatorDeployment(other.url), [other.url]);
  // It is connected, and nobody takes orders.
  expect(await plain.rollback({ user: 'ops@example.com', password: 'secret' }, true)).toEqual({
    status: 503,
    text: expect.stringContaining('nobody listens'),
  });
  const { status, text } = await plain.rollback({ user: 'ops@example.com', password: 'guess' }, true);
  expect([status, text]).toEqual([401, expect.stringContaining('NATS rejected this user')]);
  await other.stop();
});

test('a server that does not answer is not a rejected user', async () => {
  const nobody = 'nats://127.0.0.1:1';
  const { status, text } = await new Operator(operatorDeployment(nobody), [nobody]).rollback({ user: '', password: '' }, true);
  expect(status).toBe(503);
  expect(text).toContain('no NATS server answers');
  expect(text).not.toContain('rejected');
});

test.each([
  ['nobody', '', ''],
  ['a wrong password', 'operator', 'guess'],
  ['what names a variable of our environment', 'internal', `\${CASCADE_INTERNAL_PASSWORD}`],
])('%s is rejected', async (_, user, password) => {
  const { status, text } = await operator.rollback({ user, password }, true);
  expect(status).toBe(401);
  expect(text).toContain('NATS rejected this user');
  expect(text).not.toContain('secret-of');
});
