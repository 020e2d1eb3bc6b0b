import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type NatsConnection } from 'nats';
import { firstValueFrom, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectCascade } from '../../actors/client/index.ts';
import type { Status } from '../../actors/controller/status-report.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import type { LabelledData } from '../../plans/data/labelled-data.ts';
import { loadLabelledData } from '../../plans/data/load-labelled-data.ts';
import { evaluateCascade, validationRecords } from '../../plans/domain/cascade/cascade.ts';
import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { writePlan } from '../../plans/domain/gear-plan/plan-file.ts';
import { batchMs } from '../../plans/domain/profile/batch-cost.ts';
import type { Profile, RuntimeCurve } from '../../plans/domain/profile/profile.ts';
import { readProfile, writeProfile } from '../../plans/domain/profile/profile-file.ts';
import { type Answer, type Failure, isFailure, type Result } from '../../plans/protocol/messages.ts';
import type { Report } from '../../plans/report/report.ts';
import { writeImageFamily } from '../fixtures/image-family.ts';
import { writeTextFamily } from '../fixtures/text-family.ts';
import { type Cascade, cascadeJson, runCascade, startCascade } from '../support/cascade.ts';
import { expectNothingLost, expectReportFields } from '../support/report-fields.ts';

/** Any family works, not only the fashion example: two others, from model files to answers with the commands alone. */

interface Served {
  readonly folder: string;
  readonly url: string;
  readonly profile: Profile;
  readonly plan: GearPlan;
  readonly data: LabelledData;
}

interface Family {
  readonly name: string;
  readonly write: (folder: string) => string;
  /** Sends the validation samples like a client with this kind of data, and returns the answers in order. */
  readonly askForAll: (served: Served) => Promise<readonly Answer[]>;
}

const FAMILIES: readonly Family[] = [
  { name: 'text', write: writeTextFamily, askForAll: askInJson },
  { name: 'image', write: writeImageFamily, askForAll: askByLibrary },
];

const LOAD = ['--qps', '200', '--seconds', '3', '--seed', '7'];

describe.each(FAMILIES)('the $name family', ({ name, write, askForAll }) => {
  const folder = mkdtempSync(join(tmpdir(), `cascade-${name}-`));
  let server: NatsServer;
  let serving: Cascade;
  let served: Served;

  beforeAll(async () => {
    server = await startNatsServer();
    const file = write(folder);
    await cascadeJson(['profile', folder, '--quick']);
    const profile = withSteadyTimes(readProfile(join(folder, 'profile.json')));
    writeProfile(join(folder, 'profile.json'), profile);
    // One range of loads that the largest model cannot carry alone, so that its gear must be a cascade, and is always in force.
    const qpsMax = Math.ceil(1.2 * bestQps(profile, profile.models.length - 1));
    const planned = await cascadeJson<GearPlan>(['plan', folder, '--p95', '200', '--ranges', '1', '--qps-max', String(qpsMax)]);
    // All samples at once would be a load beyond the plan.
    const { beyond: _, ...plan } = planned;
    writePlan(join(folder, 'plan.json'), plan);
    serving = startCascade(['serve', folder, '--nats', server.url, '--log-level', 'warn']);
    await serving.firstLine;
    served = { folder, url: server.url, profile, plan, data: loadLabelledData(loadDeployment(file)) };
  });

  afterAll(async () => {
    const end = await serving?.stop();
    await server?.stop();
    rmSync(folder, { recursive: true });
    expect(end?.code, end?.stderr).toBe(0);
  });

  test('answers a load without a loss, as accurately as the plan expects', async () => {
    const report = await cascadeJson<Report>(['load', folder, '--nats', server.url, ...LOAD]);
    expectReportFields(report);
    expectNothingLost(report);
    // The last answer comes soon after three seconds of arrivals, or when a busy machine gets round to it.
    expect(report.seconds).toBeGreaterThan(2.5);
    expect(Object.keys(report.deviceUtilisation ?? {})).toEqual(['cpu0']);
    // Planned with one half of the samples, loaded with the other: two draws of 200. Three standard errors of the difference.
    const expected = served.plan.gears[0].expected.accuracy;
    const tolerance = 3 * Math.sqrt((expected * (1 - expected) * 2) / served.profile.labels.length);
    expect(Math.abs(report.accuracy! - expected)).toBeLessThan(tolerance);
  });

  test('is simulated with the same load: as many requests, the accuracy of the plan', async () => {
    const report = await cascadeJson<Report>(['simulate', folder, ...LOAD]);
    expectReportFields(report, ['gears', 'answersByModel', 'meanBatch']);
    expectNothingLost(report);
    // 600 requests draw each of the 200 validation samples about three times, because arrivals are Poisson.
    expect(report.accuracy).toBeCloseTo(served.plan.gears[0].expected.accuracy, 1);
  });

  test('gives every validation sample the answer that its profile records', async () => {
    const { profile, plan } = served;
    const [{ cascade }] = plan.gears;
    const answers = await askForAll(served);
    expect(answers).toHaveLength(profile.labels.length);
    let right = 0;
    answers.forEach((answer, i) => {
      if (isFailure(answer)) throw new Error(`sample ${i}: ${answer.error.code}: ${answer.error.message}`);
      const model = profile.models.find((known) => known.name === answer.model)!;
      // Whatever the batch and padding.
      expect(answer.certainty, `sample ${i}`).toBeCloseTo(model.certainties[i], 4);
      expect(answer.label, `sample ${i}`).toBe(model.predictions[i]);
      const step = cascade[answer.stage];
      expect(step.model).toBe(answer.model);
      if (answer.exit === 'certain') expect(answer.certainty).toBeGreaterThanOrEqual('threshold' in step ? step.threshold! : 0);
      else expect([answer.exit, answer.stage]).toEqual(['last', cascade.length - 1]);
      if (answer.label === profile.labels[i]) right++;
    });
    // Some stop at the first model and some move on, or this would not test a cascade.
    expect(new Set((answers as Result[]).map(({ stage }) => stage)).size).toBeGreaterThan(1);
    // The plan was made from these very answers. One in 200 may be so close to a threshold that rounding decides.
    const { accuracy } = evaluateCascade(
      validationRecords(profile),
      cascade.map(({ model }) => plan.models.indexOf(model)),
      cascade.flatMap(({ threshold }) => threshold ?? []),
    );
    expect(Math.abs(right / answers.length - accuracy)).toBeLessThanOrEqual(1 / answers.length + 1e-9);
  });

  test('shows its status to programs and to people', async () => {
    const status = await cascadeJson<Status>(['status', folder, '--nats', server.url]);
    expect(status).toMatchObject({ deployment: name, revision: 1, gear: { index: 0, of: 1 }, gearSwitches: 0, missing: [] });
    expect(status.frontends).toHaveLength(1);
    expect(status.devices).toMatchObject([{ device: 'cpu0', phase: 'ready', emulated: false }]);
    const { code, stdout } = await runCascade(['status', folder, '--nats', server.url]);
    expect(code).toBe(0);
    expect(stdout).toContain(`${name}, plan revision 1`);
    expect(stdout).toMatch(/device cpu0 on local: ready/);
  });

  if (name === 'text') {
    test('an unknown word fails alone: the requests sent with it are answered', async () => {
      const client = await connect({ servers: server.url });
      try {
        const bodies = Array.from({ length: 20 }, (_, i) => textBody(served.data, i));
        bodies[7] = { id: 'unknown', inputs: { input_ids: [5, 1_000_000], attention_mask: [1, 1] } };
        const answers = await askPlainly(client, bodies);
        expect(answers.map(isFailure)).toEqual(bodies.map((_, i) => i === 7));
        expect(answers[7]).toMatchObject({ id: 'unknown', error: { code: 'INVALID_ARGUMENT' } });
      } finally {
        await client.close();
      }
    });

    test('a request with the wrong fields is told what would be right', async () => {
      const client = await connect({ servers: server.url });
      try {
        const refused = async (inputs: unknown): Promise<string> =>
          ((await askPlainly(client, [{ id: 'x', inputs }]))[0] as Failure).error.message;
        expect(await refused({ input_ids: [5, 6] })).toMatch(/attention_mask/);
        expect(await refused({ input_ids: [5.5, 6], attention_mask: [1, 1] })).toMatch(/inputs\.input_ids\[0\] is 5\.5.*int64/);
        expect(await refused({ input_ids: [], attention_mask: [] })).toMatch(/input_ids is empty/);
      } finally {
        await client.close();
      }
    });
  }
});

/** Milliseconds of inference per sample, cheapest model first: more than these small models take, and as far apart as real ones. */
const SAMPLE_MS = [0.05, 0.2, 1];
const BATCH_MS = 0.1;
const OVERHEAD = { perBatchMs: 0.05, perRequestMs: 0.02, hopMs: 0.1 };

/**
 * The recorded answers, with times that do not depend on the machine. Measured on a busy machine, these
 * small models may look equally fast; then no plan has a reason for a cascade, which these tests are about.
 */
function withSteadyTimes(profile: Profile): Profile {
  const steady = (model: number): RuntimeCurve => {
    const batch = [1, 16];
    return { batch, ms: batch.map((size) => BATCH_MS + size * SAMPLE_MS[model]) };
  };
  return {
    ...profile,
    overhead: OVERHEAD,
    models: profile.models.map((model, m) => ({
      ...model,
      runtimes: Object.fromEntries(Object.keys(model.runtimes).map((device) => [device, steady(m)])),
    })),
  };
}

/** The highest load that a model can carry alone. */
function bestQps(profile: Profile, model: number): number {
  const curve = Object.values(profile.models[model].runtimes)[0];
  return Math.max(...curve.batch.map((batch) => (1_000 * batch) / batchMs(curve, profile.overhead, batch)));
}

interface JsonBody {
  readonly id: string;
  readonly inputs: unknown;
}

function textBody({ specs, sample }: LabelledData, index: number): JsonBody {
  const tensors = sample(index);
  const inputs = Object.fromEntries(
    specs.map((spec, i) => [spec.name, Array.from(new BigInt64Array(new Uint8Array(tensors[i].data).buffer), Number)]),
  );
  return { id: `s${index}`, inputs };
}

/** Plain nats.js and JSON: no library of ours. */
async function askPlainly(client: NatsConnection, bodies: readonly JsonBody[]): Promise<Answer[]> {
  const answers = bodies.map((body) => client.request('cascade.text.infer', JSON.stringify(body), { timeout: 30_000 }));
  return (await Promise.all(answers)).map((answer, i) => {
    const value = answer.json<Answer>();
    expect(value.id).toBe(bodies[i].id);
    return value;
  });
}

/** All at once, so that sentences of every length share batches. */
async function askInJson({ url, data }: Served): Promise<Answer[]> {
  const client = await connect({ servers: url });
  try {
    return await askPlainly(
      client,
      Array.from(data.validation, (index) => textBody(data, index)),
    );
  } finally {
    await client.close();
  }
}

/** The client library, which sends the bytes of the tensors. */
async function askByLibrary({ url, data }: Served): Promise<Answer[]> {
  const client = await connectCascade({ servers: url, deployment: 'image' });
  try {
    const requests = Array.from(data.validation, (index) => ({ inputs: { pixels: data.sample(index)[0].data } }));
    return await firstValueFrom(client.inferMany(requests, { ordered: true }).pipe(toArray()));
  } finally {
    await client.close();
  }
}
