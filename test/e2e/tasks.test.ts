import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, headers, type NatsConnection } from 'nats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectCascade } from '../../actors/client/index.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import type { ProfileSummary } from '../../plans/profiling/summary.ts';
import { decode, encode } from '../../plans/protocol/codec.ts';
import type { Failure, Result } from '../../plans/protocol/messages.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import type { Report } from '../../plans/report/report.ts';
import { TASKS, writeTaskFamily } from '../fixtures/task-families.ts';
import { type Cascade, cascadeJson, startCascade } from '../support/cascade.ts';

/** Every task from model files to answers, with the commands alone. */

type Task = (typeof TASKS)[number];

/** By default nats.js gives up after a second, which a busy machine may need. */
const PATIENT = { timeout: 120_000 };

/** The answer of the large model, which knows the truth, to a sample; and an output of it that can be requested. */
const TRUTH: Readonly<
  Record<Task, { said: (row: Float32Array) => Partial<Result>; output: string; values: (row: Float32Array) => number[] }>
> = {
  classification: {
    said: ([a, b, c]) => ({ label: [a, b, c].indexOf(Math.max(a, b, c)) }),
    output: 'features',
    values: ([a, b, c, d]) => [a, b, c, d, 0, 0],
  },
  binary: {
    said: ([a, b]) => ({ label: a + b > 0 ? 1 : 0 }),
    output: 'p',
    values: ([a, b]) => [1 / (1 + Math.exp(-4 * (a + b)))],
  },
  'multi-label': {
    said: ([a, b, c]) => {
      const labels = [a, b, c].flatMap((value, label) => (value > 0 ? [label] : []));
      return { labels, classNames: labels.map((label) => ['red', 'green', 'blue'][label]) };
    },
    output: 'logits',
    values: ([a, b, c]) => [a, b, c],
  },
  regression: {
    said: ([a, b]) => ({ value: expect.closeTo(a + 2 * b, 4), certainty: 1 }),
    output: 'members',
    values: ([a, b]) => [a + 2 * b, a + 2 * b],
  },
  custom: {
    said: ([a]) => ({ certainty: expect.closeTo(1 / (1 + Math.exp(-a)), 4) }),
    output: 'boxes',
    values: ([a, b]) => [a, b],
  },
};

let server: NatsServer;
let nats: NatsConnection;
beforeAll(async () => {
  server = await startNatsServer();
  nats = await connect({ servers: server.url });
});
afterAll(async () => {
  await nats?.close();
  await server?.stop();
});

describe.each(TASKS)('task %s', (task) => {
  const folder = mkdtempSync(join(tmpdir(), `cascade-${task}-`));
  const { said, output, values } = TRUTH[task];
  const { infer } = subjectsOf(task);
  let rows: readonly Float32Array[];
  let serving: Cascade;
  let profile: ProfileSummary;
  let plan: GearPlan;

  beforeAll(async () => {
    rows = writeTaskFamily(folder, task);
    profile = await cascadeJson(['profile', folder, '--quick']);
    // The accuracy of the large model, which always has the last word.
    plan = await cascadeJson(['plan', folder]);
    serving = startCascade(['serve', folder, '--nats', server.url, '--log-level', 'warn']);
    await serving.firstLine;
  });

  afterAll(async () => {
    const end = await serving?.stop();
    rmSync(folder, { recursive: true });
    expect(end?.code, end?.stderr).toBe(0);
  });

  test('accuracy is the mean quality: 1 for the model that knows the truth, less for the other', () => {
    const accuracy = Object.fromEntries(profile.models.map((model) => [model.name, model.accuracy]));
    expect(accuracy.large).toBe(1);
    expect(accuracy.small).toBeGreaterThan(0);
    expect(accuracy.small).toBeLessThan(0.95);
    expect(plan.gears[0].expected.accuracy).toBeGreaterThan(0.95);
  });

  test('answers in MessagePack and JSON, with a requested output', async () => {
    for (const row of rows.slice(0, 5)) {
      const inputs = { x: [...row] };
      const packed = decode<Result>((await nats.request(infer, encode({ inputs, outputs: [output] }), PATIENT)).data);
      const json = headers();
      json.set('Content-Type', 'application/json');
      const text = JSON.stringify({ inputs, outputs: [output] });
      const readable = (await nats.request(infer, text, { ...PATIENT, headers: json })).json<Result>();
      const expected = values(row);
      for (const result of [packed, readable]) {
        if (result.model === 'large') expect(result).toMatchObject(said(row));
        expect(result.outputs?.[output]).toMatchObject({ dtype: 'float32', shape: [expected.length] });
      }
      const bytes = Uint8Array.from(packed.outputs![output].data);
      expect(Array.from(new Float32Array(bytes.buffer))).toHaveLength(expected.length);
      if (readable.model === 'large')
        expect(readable.outputs![output].data).toEqual(expected.map((value) => expect.closeTo(value, 4)));
    }
  });

  test('the client library can request outputs, too', async () => {
    const client = await connectCascade({ deployment: task, servers: server.url });
    try {
      const result = await client.infer({ x: rows[0] }, { outputs: [output] });
      expect(Object.keys(result.outputs ?? {})).toEqual([output]);
    } finally {
      await client.close();
    }
  });

  test('an output that no model has is refused by name', async () => {
    const reply = await nats.request(infer, encode({ inputs: { x: [...rows[0]] }, outputs: ['nothing'] }), PATIENT);
    const { error } = decode<Failure>(reply.data);
    expect(error.code).toBe('INVALID_ARGUMENT');
    expect(error.message).toMatch(/unknown output "nothing"; all models of this family have .*/);
  });

  test('a load measures the same accuracy', async () => {
    const report = await cascadeJson<Report>(['load', folder, '--nats', server.url, '--qps', '50', '--seconds', '2']);
    expect(report.accuracy).toBeGreaterThan(0.9);
  });
});
