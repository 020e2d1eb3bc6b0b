import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeAnswers } from '../../actors/client/answers.ts';
import { GEAR } from '../../plans/protocol/channels.ts';
import { encode } from '../../plans/protocol/codec.ts';
import { type Answer, isFailure } from '../../plans/protocol/messages.ts';
import { bodyFormat, decodeUntrusted } from '../../plans/protocol/untrusted.ts';
import { damaged, oddField, oddValue } from '../support/mutations.ts';
import { POISON } from '../support/plane.ts';
import { planOf } from '../support/plans.ts';
import { startVirtualPlane } from '../support/virtual-plane.ts';

/** Bodies per run, and runs: 10,000 bodies. Replay a failure with the seed and path that fast-check prints. */
const BODIES = 100;
const RUNS = 100;
const SEED = 4;

const GOOD = [1, 90, 0];

interface Body {
  readonly data: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined: its own subject, on which its answers are counted. */
  readonly reply: string | undefined;
}

const input: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.nat(1), fc.nat(100), fc.nat(100)).map((sample) => Uint8Array.from(sample)) },
  fc.constant(Uint8Array.of(1, POISON, 0)),
  fc.constantFrom<unknown>([1, 90, 0], [[1], [90], [0]], [1, 90], [1, 90, 0, 0], [256, 0, 0], ['1', 2, 3], [1, [90], 0]),
  oddValue,
);

const request: fc.Arbitrary<unknown> = fc
  .record(
    {
      id: fc.oneof({ weight: 6, arbitrary: fc.string({ minLength: 1, maxLength: 130 }) }, oddValue),
      inputs: fc.oneof({ weight: 9, arbitrary: input.map((x) => ({ x })) }, oddValue, fc.constant({ y: Uint8Array.of(1) })),
      deadlineMs: fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 1, max: 1_000 }) }, oddValue),
      scores: fc.oneof({ weight: 6, arbitrary: fc.boolean() }, oddValue),
    },
    { requiredKeys: ['inputs'] },
  )
  .chain((fields) => fc.oneof({ weight: 6, arbitrary: fc.constant(fields) }, oddField(fields)));

function nested(value: unknown, depth: number): unknown {
  return depth === 0 ? value : nested([value], depth - 1);
}

const content: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: request },
  { weight: 2, arbitrary: fc.array(request, { maxLength: 5 }) },
  fc.tuple(request, fc.integer({ min: 1, max: 40 })).map(([value, depth]) => nested(value, depth)),
  fc.constantFrom<unknown>(new Array(5_000).fill(0), { inputs: { x: new Array(20_000).fill(1) } }, new Array(70).fill({})),
  oddValue,
);

/** JSON has no bytes. */
function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value, (_, held) => (held instanceof Uint8Array ? [...held] : held)) ?? 'undefined');
}

const encoded: fc.Arbitrary<Uint8Array> = fc.oneof(
  content.map((value) => encode(value)),
  content.map((value) => json(value)),
  fc.uint8Array({ maxLength: 6 }),
);

const body: fc.Arbitrary<Body> = fc.record({
  data: encoded.chain((bytes) => fc.oneof({ weight: 2, arbitrary: fc.constant(bytes) }, damaged(bytes))),
  headers: fc
    .record(
      {
        'Content-Type': fc.constantFrom('application/json', 'application/msgpack', 'application/octet-stream', 'text/html', ' '),
        'Cascade-Id': fc.constantFrom('header', 'x'.repeat(129), ' '),
        'Cascade-Deadline-Ms': fc.constantFrom('50', '0', '-1', 'soon', '1e999', ''),
        'Cascade-Results': fc.constantFrom('mine', 'a.b', '>', ''),
        'My Key': fc.constant('unreadable'),
      },
      { requiredKeys: [] },
    )
    .chain((headers) => fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, fc.constant(headers as Record<string, string>))),
  reply: fc.oneof(
    { weight: 8, arbitrary: fc.constant(undefined) },
    fc.constantFrom(
      '',
      'cascade.test.control.gear',
      'cascade.test.work.d0.small',
      'cascade.other.control.plan',
      'cascade.test.results.mine',
      '$SYS.REQ.SERVER.PING',
      '$KV.cascade_test.plan',
      'a.*',
      '>',
      'a..b',
      'x'.repeat(600),
    ),
  ),
});

/** The number of requests in a body, if it can be read at all. */
function requestsIn({ data, headers }: Body): number {
  try {
    const contentType = headers['Content-Type'];
    if (contentType === 'application/octet-stream') return 1;
    const value = decodeUntrusted(data, bodyFormat(data, contentType));
    return Array.isArray(value) && value.length > 0 ? value.length : 1;
  } catch {
    return 1;
  }
}

test(`${BODIES * RUNS} mutated bodies: each request ends once, nobody dies, and good requests in between are answered`, {
  timeout: 180_000,
}, async () => {
  const seen = { results: 0, failures: new Set<string>() };
  await fc.assert(
    fc.asyncProperty(fc.array(body, { minLength: BODIES, maxLength: BODIES }), async (bodies) => {
      const plane = await startVirtualPlane(planOf({ models: ['small', 'large'], devices: ['d0', 'd1'] }));
      const answers = new Map<string, Answer[]>();
      const onResults: Answer[] = [];
      const forbidden: string[] = [];
      const note = (subject: string, data: Uint8Array): void => {
        answers.set(subject, [...(answers.get(subject) ?? []), ...decodeAnswers(data)]);
      };
      plane.bus.messages$('own.*').subscribe(({ subject, data }) => note(subject, data));
      for (const results of ['cascade.test.results', 'cascade.test.results.*'])
        plane.bus.messages$(results).subscribe(({ data }) => onResults.push(...decodeAnswers(data)));
      for (const subject of ['$SYS.>', '$KV.>', 'cascade.other.>'])
        plane.bus.messages$(subject).subscribe((message) => forbidden.push(message.subject));
      // Only the controller publishes here, and its messages are readable.
      plane.bus.messages$('cascade.test.control.gear').subscribe(({ data }) => GEAR.codec.decode(data));

      for (const [i, { data, headers, reply }] of bodies.entries()) {
        plane.bus.publish('cascade.test.infer', data, { reply: reply ?? `own.${i}`, headers });
        plane.infer(`good-${i}`, GOOD);
        if (i % 10 === 0) await plane.runUntil(plane.clock.now() + 3);
      }
      await plane.runUntil(plane.clock.now() + 5_000);

      let elsewhere = 0;
      for (const [i, one] of bodies.entries()) {
        const requests = requestsIn(one);
        if (one.reply !== undefined) elsewhere += 1;
        else checkOne(answers.get(`own.${i}`) ?? [], requests, `own.${i}`);
      }
      expect(onResults.length).toBeGreaterThanOrEqual(elsewhere);
      expect(onResults.length).toBeLessThanOrEqual(
        bodies.filter(({ reply }) => reply !== undefined).reduce((sum, one) => sum + requestsIn(one), 0),
      );
      expect(forbidden).toEqual([]);
      expect(plane.answers.map(({ answer }) => answer.id).sort()).toEqual(bodies.map((_, i) => `good-${i}`).sort());
      for (const { answer } of plane.answers) expect(answer).toMatchObject({ label: 1, exit: 'certain' });
      for (const actor of [...plane.frontends, ...plane.devices.values(), plane.controller])
        expect({ name: actor.name, restarts: actor.restarts, dropped: actor.dropped }).toEqual({
          name: actor.name,
          restarts: 0,
          dropped: {},
        });
    }),
    { numRuns: RUNS, seed: SEED, endOnFailure: true },
  );
  // The bodies must be neither all good nor all bad.
  expect(seen.results).toBeGreaterThan(500);
  expect([...seen.failures].sort()).toEqual(['DEADLINE_EXCEEDED', 'INTERNAL', 'INVALID_ARGUMENT', 'RESOURCE_EXHAUSTED']);

  /** One answer per request, or one refusal of the whole body. */
  function checkOne(got: readonly Answer[], requests: number, name: string): void {
    for (const answer of got) {
      if (isFailure(answer)) seen.failures.add(answer.error.code);
      else seen.results++;
    }
    if (requests > 1 && got.length === 1) expect(isFailure(got[0]), `${name}: one answer for ${requests} requests`).toBe(true);
    else expect(got.length, `answers to ${name}`).toBe(requests);
  }
});
