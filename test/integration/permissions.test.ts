import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NEVER, startWith } from 'rxjs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type CascadeClient, createClient } from '../../actors/client/client.ts';
import { statusActor } from '../../actors/controller/status.ts';
import { requestStatus } from '../../actors/operator/ask-status.ts';
import { startActor } from '../../engine/actor/actor.ts';
import { type Channel, subjectOf } from '../../engine/actor/channel.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import type { NatsOptions } from '../../engine/bus/nats-options.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { realClock } from '../../engine/clock.ts';
import { silentLogger } from '../../engine/log.ts';
import { CHANNELS } from '../../plans/protocol/channels.ts';
import { ClientNumbers, isFromStore } from '../../plans/protocol/client-of.ts';
import { encode } from '../../plans/protocol/codec.ts';
import { isFailure } from '../../plans/protocol/messages.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { bytes } from '../support/bytes.ts';
import { hasOpenssl } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { listen } from '../support/listen.ts';
import { startPlane } from '../support/plane.ts';
import { planOf } from '../support/plans.ts';
import { credentialsOf, PASSWORDS, ROLES, type Role, writeSecureConf } from '../support/roles.ts';

/**
 * The shipped conf/nats on a real server. Deployment `other` is not part of the running plane: messages to it have no
 * effect, so tests can try to publish there.
 */
const subjects = subjectsOf('other');

interface May {
  readonly publish?: true;
  readonly subscribe?: true;
}
const NOTHING: May = {};
const ALL: May = { publish: true, subscribe: true };

/** From the declarations: a role that a channel does not name may do nothing there. */
function mayOn({ from, to }: Channel, role: Role): May {
  if (role === 'internal') return ALL;
  return { ...(from.includes(role) ? { publish: true } : {}), ...(to.includes(role) ? { subscribe: true } : {}) };
}

/** Subjects outside a deployment: other inboxes, the server's services, JetStream, and wildcards for everything. */
const ELSEWHERE: Readonly<Record<string, Readonly<Record<Role, May>>>> = {
  '_INBOX.client.x': { client: { subscribe: true }, operator: NOTHING, internal: { publish: true } },
  '_INBOX.operator.x': { client: NOTHING, operator: { subscribe: true }, internal: { publish: true } },
  '_INBOX.internal.x': { client: NOTHING, operator: NOTHING, internal: ALL },
  '_INBOX.*.x': { client: NOTHING, operator: NOTHING, internal: { publish: true } },
  '$SRV.PING': { client: NOTHING, operator: { publish: true }, internal: ALL },
  '$KV.cascade_other.plan': { client: NOTHING, operator: NOTHING, internal: { publish: true } },
  '$JS.API.STREAM.MSG.GET.KV_cascade_other': { client: NOTHING, operator: NOTHING, internal: { publish: true } },
  '$JS.API.STREAM.DELETE.KV_cascade_other': { client: NOTHING, operator: NOTHING, internal: { publish: true } },
  'cascade.other.>': { client: NOTHING, operator: NOTHING, internal: ALL },
  'cascade.>': { client: NOTHING, operator: NOTHING, internal: ALL },
  '>': { client: NOTHING, operator: NOTHING, internal: NOTHING },
  anything: { client: NOTHING, operator: NOTHING, internal: NOTHING },
};

/** Each subject, with what a role may do there. */
function decisions(role: Role): { subject: string; may: May }[] {
  const own = Object.values<Channel>(CHANNELS).flatMap((channel) => {
    const tokens = { device: 'one', model: 'two', frontend: 'one', name: 'one' };
    const all = [subjectOf(subjects.root, channel.pattern, tokens), subjectOf(subjects.root, channel.pattern)];
    return [...new Set(all)].map((subject) => ({ subject, may: mayOn(channel, role) }));
  });
  return [...own, ...Object.entries(ELSEWHERE).map(([subject, may]) => ({ subject, may: may[role] }))];
}

describe.each([
  ['plain', false],
  ['TLS', true],
] as const)('a server of conf/nats, %s', (_, secure) => {
  const closing: (() => Promise<unknown>)[] = [];
  let server: NatsServer;
  let access: Pick<NatsOptions, 'servers' | 'tls'>;
  const bus = {} as Record<Role, Bus>;
  const log: Record<Role, string[]> = { client: [], operator: [], internal: [] };
  let client: CascadeClient;

  beforeAll(async () => {
    if (secure && !hasOpenssl) return;
    for (const [name, value] of Object.entries(PASSWORDS)) vi.stubEnv(name, value);
    const store = mkdtempSync(join(tmpdir(), 'cascade-store-'));
    closing.push(async () => rmSync(store, { recursive: true }));
    vi.stubEnv('CASCADE_STORE_DIR', store);
    let configFile = 'conf/nats/server.conf';
    if (secure) {
      const { folder, environment } = writeSecureConf();
      closing.push(async () => rmSync(folder, { recursive: true }));
      for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
      configFile = join(folder, 'secure.conf');
      access = { servers: '', tls: { caFile: join(folder, 'ca.pem') } };
    }
    server = await startNatsServer({ configFile });
    closing.push(() => server.stop());
    access = { ...access, servers: secure ? server.url.replace('nats:', 'tls:') : server.url };
    for (const role of ROLES) {
      const note = (line: string): void => void log[role].push(line);
      bus[role] = await connectNats({ ...access, ...credentialsOf(role), log: { info: note, warn: note } });
      closing.push(() => bus[role].close());
    }
    const plan = planOf({ models: ['small', 'large'], devices: ['d0', 'd1'] });
    const plane = startPlane(bus.internal, realClock, plan);
    const leading$ = NEVER.pipe(startWith(true));
    const status = statusActor({ deployment: 'test', subjects: subjectsOf('test'), start: { revision: 1, plan }, leading$ });
    const actors = [
      ...plane.devices.values(),
      ...plane.frontends,
      plane.controller,
      plane.keeper,
      startActor(status, { bus: bus.internal, clock: realClock, log: silentLogger }),
    ];
    closing.push(() => Promise.all(actors.map((actor) => actor.stop(5_000))));
    client = createClient(bus.client, realClock, { deployment: 'test', inboxPrefix: credentialsOf('client').inboxPrefix });
    closing.push(async () => vi.unstubAllEnvs());
  });

  afterAll(async () => {
    for (const close of closing.reverse()) await close();
  });

  describe.skipIf(secure && !hasOpenssl)('lets', () => {
    test.each(ROLES)('the %s publish where it may, and nowhere else', async (role) => {
      for (const { subject, may } of decisions(role)) {
        const concrete = subject.replaceAll('*', 'x').replaceAll('>', 'x');
        const refused = `NATS refuses publish on "${concrete}" to this user`;
        const before = log[role].length;
        bus[role].publish(concrete, bytes('{}'));
        await bus[role].flush();
        // The refusal comes before the reply to the flush, and is read a turn later; the log has each only once.
        await new Promise((resolve) => setImmediate(resolve));
        if (may.publish) expect(log[role].slice(before), `${role} on ${concrete}`).toEqual([]);
        else await eventually(() => expect(log[role], `${role} on ${concrete}`).toContain(refused));
      }
    });

    test.each(ROLES)('the %s subscribe where it may, and nowhere else', async (role) => {
      for (const { subject, may } of decisions(role)) {
        const heard = await listen(bus[role], subject);
        if (may.subscribe) {
          await bus[role].flush();
          expect(heard.ended, `${role} on ${subject}`).toBeUndefined();
        } else {
          await eventually(() => expect(heard.ended, `${role} on ${subject}`).toBeDefined());
          expect(heard.ended).toMatchObject({ code: 'UNAVAILABLE', message: /may not subscribe/ });
        }
      }
    });

    test('a client send requests, and read results of requests without a reply subject', async () => {
      await expect(client.infer({ x: Uint8Array.of(1, 90, 0) })).resolves.toMatchObject({ label: 1, model: 'small' });
      const results = await listen(bus.client, 'cascade.test.results.mine');
      bus.client.publish('cascade.test.infer', bytes('{"id":"r","inputs":{"x":[1,90,0]}}'), {
        headers: { 'Cascade-Results': 'mine' },
      });
      await eventually(() => expect(results.texts.map((text) => JSON.parse(text))).toMatchObject([{ id: 'r', label: 1 }]));
    });

    test('the frontends know which client is asking, whatever it claims', async () => {
      const heard = await listen(bus.internal, 'cascade.told.infer');
      for (const name of ['shop', 'till', 'shop']) {
        const one = await connectNats({ ...access, ...credentialsOf('client'), name });
        for (const body of ['first', 'second'])
          one.publish('cascade.told.infer', bytes(body), {
            headers: { 'Nats-Request-Info': '{"acc":"made up"}', 'Cascade-Stored': 'true' },
          });
        await one.flush();
        await one.close();
      }
      await eventually(() => expect(heard.messages).toHaveLength(6));
      const clients = new ClientNumbers();
      const [shop, shopAgain, till, tillAgain, other] = heard.messages.map((message) => clients.of(message));
      expect([shopAgain, tillAgain, other]).toEqual([shop, till, shop]);
      expect(till).not.toBe(shop);
      expect(heard.messages.some((message) => isFromStore(message))).toBe(false);
    });

    test.each(['cascade.test.control.plan', 'cascade.test.state.d0', 'cascade.other.control.gear', '$JS.API.STREAM.NAMES'])(
      'no client make us publish on %s by its reply subject',
      async (reply) => {
        const spied = reply.startsWith('$') ? undefined : await listen(bus.internal, reply);
        bus.client.publish('cascade.test.infer', encode({ id: 'sly', inputs: { x: [1, 90, 0] } }), { reply });
        // From the same client and in the same queue, so that it is answered after that one.
        await client.infer({ x: Uint8Array.of(1, 90, 0) });
        await bus.internal.flush();
        // The device's own heartbeats arrive there.
        expect(spied?.texts.filter((text) => text.includes('sly') || text.includes('reserved')) ?? []).toEqual([]);
      },
    );

    test('an operator see the status, the services and the events, and change the plan, but not request inference', async () => {
      expect(await requestStatus(bus.operator, subjectsOf('test'))).toMatchObject({ deployment: 'test' });
      const ping = await bus.operator.request('$SRV.PING', bytes(''), { timeoutMs: 20_000 });
      expect(JSON.parse(Buffer.from(ping.data).toString())).toHaveProperty('name');
      const events = await listen(bus.operator, 'cascade.test.events');
      const next = planOf({ models: ['small', 'large'], devices: ['d0', 'd1'], cascades: [['small'], ['large']] });
      const verdict = await bus.operator.request('cascade.test.control.plan', bytes(JSON.stringify(next)), { timeoutMs: 20_000 });
      expect(JSON.parse(Buffer.from(verdict.data).toString())).toMatchObject({ accepted: true });
      await eventually(() => expect(events.messages.length).toBeGreaterThan(0));
      await expect(bus.operator.request('cascade.test.infer', bytes('{}'), { timeoutMs: 20_000 })).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: /may not publish/,
      });
    });

    test('no client read or change what is stored', async () => {
      expect(await bus.internal.keyValue('plans')).toBeDefined();
      await expect(bus.client.keyValue('plans')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      await expect(bus.operator.keyValue('plans')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    });

    test('nobody in with a wrong password, or without one', async () => {
      await expect(connectNats({ ...access, user: 'client', password: 'wrong' })).rejects.toMatchObject({
        name: 'CredentialsRejected',
      });
      await expect(connectNats(access)).rejects.toMatchObject({ name: 'CredentialsRejected' });
    });

    test('a whole plane run: nothing it does is refused', async () => {
      const answers = await Promise.all(
        Array.from({ length: 200 }, (_, i) => client.infer({ x: Uint8Array.of(i % 2, 10, 50) }, { deadlineMs: 20_000 })),
      );
      expect(answers.filter((answer) => isFailure(answer))).toEqual([]);
      const own = (line: string): boolean => line.includes('cascade.test') || line.includes('plans');
      expect(log.internal.filter(own)).toEqual([]);
    });
  });
});
