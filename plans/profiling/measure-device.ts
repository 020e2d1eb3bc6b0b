import { statSync } from 'node:fs';
import { firstValueFrom } from 'rxjs';
import type { Backend, BatchOutput } from '../../engine/backend/backend.ts';
import { CascadeError, ConfigError } from '../../engine/errors.ts';
import type { LabelledData } from '../data/labelled-data.ts';
import { loadLabelledData } from '../data/load-labelled-data.ts';
import { NO_NUMBER } from '../domain/cascade/certainty.ts';
import type { Deployment } from '../domain/deployment/deployment.ts';
import type { ModelEntry } from '../domain/deployment/model-entry.ts';
import { type Overhead, type RuntimeCurve, type SampleSizes, UNKNOWN_BYTES } from '../domain/profile/profile.ts';
import type { Judge } from '../domain/task/judge.ts';
import { judgeOfModel } from '../domain/task/task-of.ts';
import { checkBatchIndependence } from './check-batch-independence.ts';
import { batchSizes, median, monotone, worthLarger } from './curve.ts';
import { calibrateOverhead, type Handover, handoverOf } from './overhead.ts';
import { runBatch } from './run-batch.ts';
import { sizeQuantiles, withMean } from './size-curve.ts';
import { type TargetDevice, targetBackend } from './target-backend.ts';
import { measureTransport } from './transport.ts';
import { batchesOf, measuringBatch, sampleSizesOf } from './validation-batches.ts';

export interface MeasureJob {
  readonly deployment: Deployment;
  readonly device: TargetDevice;
  /** Names of those that can run on it. */
  readonly models: readonly string[];
  /** Batches to run at once: one for each device that shares the server. */
  readonly lanes: number;
  /** Models of which predictions and certainties for the validation samples are recorded, too. */
  readonly record: readonly string[];
  /** Port on which the parent process echoes messages. */
  readonly echoPort: number;
  /** Fewer measurements, for tests and a first look. */
  readonly quick: boolean;
}

export interface DeviceMeasurement {
  readonly models: readonly MeasuredModel[];
  readonly overhead: Overhead;
  /** Of the models that it was asked for. */
  readonly answers: ReadonlyMap<string, ModelAnswers>;
}

export interface MeasuredModel {
  readonly name: string;
  readonly curve: RuntimeCurve;
  readonly memoryBytes: number;
}

export interface ModelAnswers {
  /** Columns of the scores. */
  readonly columns: number;
  /** Columns of the certainties, if they are a model output. */
  readonly certaintyColumns: number | undefined;
  readonly predictions: Int32Array;
  readonly certainties: Float32Array;
  readonly quality: Float32Array;
  /** [samples, columns], when the answer is more than a class. */
  readonly scores: Float32Array | undefined;
  /** Whether all scores are in [0, 1]. */
  readonly unit: boolean;
  /** What the scores of every sample add up to, if none is below 0: 1 for probabilities, 100 for percentages. */
  readonly rowSum: number | undefined;
  /** Samples for which the model answered NaN. */
  readonly noNumbers: number;
}

export interface MeasureProgress {
  readonly step: string;
  /** Completed share of this device's work, 0 to 1. */
  readonly fraction: number;
}

// ONNX Runtime settles (caches, allocation patterns) over the first thousand calls of a tiny model.
const WARM_UP_CALLS = 1_000;
const WARM_UP_MS = { full: 400, quick: 40 };
const MEASURE_MS = { full: 10_000, quick: 600 };
const ROUNDS = { full: { least: 7, most: 300 }, quick: { least: 3, most: 20 } };
const PROGRESS_STEPS = 5;
/** Tolerance for probabilities: a forest's votes add up to slightly more than 1. */
const ROUNDING = 1e-3;
/** For a first look at a batch size: many calls of a small model, few of a large one. */
const ROUGH = { least: 3, most: 25, ms: 20 };
/** Size of a work frame without the samples. */
const FRAME_BYTES = 200;
/** Batches longer than this, or than half the latency SLO, are not profiled. */
const LONGEST_BATCH_MS = 200;

/**
 * Measures the family on a device through the serving backend, as round trips seen by a device process. Three parts: load and warm up
 * each model and measure its memory; runtimes by batch size, with one call per model and size in each round, so that a burst of noise
 * does not hit a single model; answers on the validation samples.
 * @param signal stops it with an error after the current inference.
 */
export async function measureDevice(
  job: MeasureJob,
  signal: AbortSignal,
  onProgress: (progress: MeasureProgress) => void,
): Promise<DeviceMeasurement> {
  const { deployment, device, record, quick } = job;
  const { slo } = deployment;
  const models = deployment.models.filter(({ name }) => job.models.includes(name));
  const effort = quick ? 'quick' : 'full';
  const limitMs = Math.max(LONGEST_BATCH_MS, slo.type === 'latency' ? slo.p95Ms / 2 : 0);
  const data = loadLabelledData(deployment);
  const backend = targetBackend(deployment, device, data.specs);
  signal.addEventListener('abort', () => void backend.close());
  const run = runner(backend, data, job.lanes);
  const sizes = sampleSizesOf(data);
  try {
    await loadRuntime(models[0]);
    const loaded = [];
    for (const [i, model] of models.entries()) {
      onProgress({ step: `loading ${model.name}`, fraction: (0.2 * i) / models.length });
      loaded.push(await loadModel(model));
    }
    const { curves, handover } = await measureCurves(loaded.map(({ curve }) => curve));
    const sized = sizes === undefined ? curves : await measureBySize(curves, sizes);
    const { classes } = (await run(models[0].name, 1)).output;
    const sampleBytes = data.sample(0).reduce((sum, tensor) => sum + tensor.data.length, 0);
    const transport = await measureTransport(job.echoPort, FRAME_BYTES + sampleBytes);
    const overhead = calibrateOverhead(data.specs, data.sample(0), classes, judgeOfModel(deployment, models[0]), {
      ...transport,
      handover,
    });
    const answers = await recordAnswers(curves);
    return {
      models: loaded.map(({ memoryBytes }, i) => ({ name: models[i].name, memoryBytes, curve: sized[i] })),
      overhead,
      answers,
    };
  } catch (error) {
    // On a local device, this error would be a defect.
    if (device.kind !== 'remote' || !(error instanceof CascadeError)) throw error;
    throw new ConfigError(`device ${device.id}: ${error.message}`);
  } finally {
    await backend.close();
  }

  /** Allocates the runtime's own memory, which should not count toward the first replica. */
  async function loadRuntime(model: ModelEntry): Promise<void> {
    await firstValueFrom(backend.load(model));
    await run(model.name, 1);
    await firstValueFrom(backend.unload(model.name));
  }

  /** Loads and warms up a model; returns a first, rough curve, and the memory it took. */
  async function loadModel(model: ModelEntry): Promise<{ curve: RuntimeCurve; memoryBytes: number }> {
    const before = process.memoryUsage.rss();
    const { fixedBatch = model.maxBatch } = await firstValueFrom(backend.load(model));
    const warmUntil = performance.now() + WARM_UP_MS[effort];
    for (let call = 0; call < WARM_UP_CALLS && performance.now() < warmUntil; call++) await run(model.name, 1);
    const batch: number[] = [];
    const ms: number[] = [];
    for (const size of batchSizes(Math.min(model.maxBatch, fixedBatch))) {
      const took = await fastestMs(model, size);
      if (batch.length > 0 && took > limitMs) break;
      batch.push(size);
      ms.push(took);
      if (!worthLarger({ batch, ms }, limitMs)) break;
    }
    const memoryBytes =
      device.kind === 'remote' ? UNKNOWN_BYTES : Math.max(statSync(model.file).size, process.memoryUsage.rss() - before);
    return { curve: { batch, ms }, memoryBytes };
  }

  /** Noise only adds time, and a single burst must not decide up to which batch size a model is profiled. */
  async function fastestMs(model: ModelEntry, size: number): Promise<number> {
    let fastest = Number.POSITIVE_INFINITY;
    const until = performance.now() + ROUGH.ms;
    for (let i = 0; i < ROUGH.least || (i < ROUGH.most && performance.now() < until); i++)
      fastest = Math.min(fastest, (await run(model.name, size)).output.computeMs);
    return fastest;
  }

  async function measureCurves(rough: readonly RuntimeCurve[]): Promise<{ curves: RuntimeCurve[]; handover: Handover }> {
    const roundMs = rough.reduce((total, { ms }) => total + ms.reduce((a, b) => a + b, 0), 0);
    const { least, most } = ROUNDS[effort];
    const rounds = Math.min(most, Math.max(least, Math.round(MEASURE_MS[effort] / roundMs)));
    const times = rough.map(({ batch }) => batch.map((): number[] => []));
    const handovers = new Map<number, number[]>();
    for (let round = 0; round < rounds; round++) {
      if (round % Math.ceil(rounds / PROGRESS_STEPS) === 0) {
        onProgress({ step: `measuring, round ${round + 1} of ${rounds}`, fraction: 0.2 + (0.5 * round) / rounds });
      }
      for (const [m, { batch }] of rough.entries()) {
        for (const [b, size] of batch.entries()) {
          const { output, tookMs } = await run(models[m].name, size);
          times[m][b].push(output.computeMs);
          const known = handovers.get(size);
          if (known === undefined) handovers.set(size, [tookMs - output.computeMs]);
          else known.push(tookMs - output.computeMs);
        }
      }
    }
    const curves = rough.map(({ batch }, m) => ({
      batch,
      ms: monotone(times[m].map(median)).map((value) => Number(value.toPrecision(4))),
    }));
    return { curves, handover: handoverOf(handovers) };
  }

  /** Adds times for each sample size to the curves, and sets `ms` to their mean over the validation samples. */
  async function measureBySize(curves: readonly RuntimeCurve[], { size }: SampleSizes): Promise<RuntimeCurve[]> {
    const positions = sizeQuantiles(size);
    const measured: RuntimeCurve[] = [];
    for (const [m, { batch }] of curves.entries()) {
      onProgress({ step: `measuring ${models[m].name} by the size of samples`, fraction: 0.7 });
      const bySize = [];
      for (const position of positions) {
        const sample = data.sample(data.validation[position]);
        const ms: number[] = [];
        for (const count of batch) {
          const times = [];
          for (let i = 0; i < ROUNDS[effort].least; i++)
            times.push((await firstValueFrom(backend.run(models[m].name, new Array(count).fill(sample)))).computeMs);
          ms.push(median(times));
        }
        bySize.push({ size: size[position], ms: monotone(ms) });
      }
      measured.push(withMean({ batch, bySize }, size));
    }
    return measured;
  }

  async function recordAnswers(curves: readonly RuntimeCurve[]): Promise<ReadonlyMap<string, ModelAnswers>> {
    const answers = new Map<string, ModelAnswers>();
    for (const [m, model] of models.entries()) {
      if (!record.includes(model.name)) continue;
      onProgress({ step: `recording answers of ${model.name}`, fraction: 0.7 + (0.3 * m) / models.length });
      const largest = curves[m].batch.at(-1) ?? 1;
      await checkBatchIndependence(backend, model.name, data, sizes, largest, effort);
      answers.set(model.name, await answersOf(backend, model, data, sizes, largest, judgeOfModel(deployment, model)));
    }
    return answers;
  }
}

async function answersOf(
  backend: Backend,
  model: ModelEntry,
  data: LabelledData,
  sizes: SampleSizes | undefined,
  largest: number,
  judge: Judge,
): Promise<ModelAnswers> {
  const { validation } = data;
  const predictions = new Int32Array(validation.length);
  const certainties = new Float32Array(validation.length);
  const quality = new Float32Array(validation.length);
  let scores: Float32Array | undefined;
  let columns = 0;
  let certaintyColumns: number | undefined;
  let unit = true;
  const rowSum = { least: Number.POSITIVE_INFINITY, most: Number.NEGATIVE_INFINITY, negative: false };
  let noNumbers = 0;
  for (const positions of batchesOf(validation.keys(), sizes, largest)) {
    const indices = positions.map((position) => validation[position]);
    const samples = indices.map((index) => data.sample(index));
    const output = await runBatch(backend, model.name, samples, indices);
    if (columns !== 0 && columns !== output.classes) {
      throw new ConfigError(`model ${model.name} outputs ${columns} scores for one batch and ${output.classes} for another`);
    }
    columns = output.classes;
    certaintyColumns = output.auxiliary && output.auxiliary.length / samples.length;
    for (let row = 0; row < samples.length; row++) {
      const i = positions[row];
      const { prediction, certainty } = judge(output, row);
      const own = output.scores.subarray(row * columns, (row + 1) * columns);
      certainties[i] = certainty;
      predictions[i] = prediction.label ?? 0;
      if (prediction.labels !== undefined || prediction.value !== undefined) {
        scores ??= new Float32Array(validation.length * columns);
        scores.set(own, i * columns);
      }
      if (certainty === NO_NUMBER) {
        noNumbers++;
        continue;
      }
      quality[i] = data.qualityOf(validation[i], model.name, prediction) ?? 0;
      unit &&= own.every((score) => score >= -ROUNDING && score <= 1 + ROUNDING);
      const sum = own.reduce((all, score) => all + score, 0);
      rowSum.least = Math.min(rowSum.least, sum);
      rowSum.most = Math.max(rowSum.most, sum);
      rowSum.negative ||= own.some((score) => score < -ROUNDING * Math.max(1, sum));
    }
  }
  const common =
    !rowSum.negative &&
    Number.isFinite(rowSum.most) &&
    rowSum.least > 0 &&
    rowSum.most - rowSum.least <= 2 * ROUNDING * rowSum.most;
  return {
    columns,
    certaintyColumns,
    predictions,
    certainties,
    quality,
    scores,
    unit,
    rowSum: common ? (rowSum.least + rowSum.most) / 2 : undefined,
    noNumbers,
  };
}

/**
 * Runs batches of validation samples, different ones each time, and measures the round trip. If samples differ in size, a batch
 * consists of copies of one.
 * @param lanes copies of each batch to run at once: one for each device that shares the server.
 */
function runner(backend: Backend, data: LabelledData, lanes: number) {
  const { validation } = data;
  let next = 0;
  return async (model: string, size: number): Promise<{ output: BatchOutput; tookMs: number }> => {
    const indices = Array.from({ length: size }, (_, i) => validation[(next + i) % validation.length]);
    next = (next + size) % validation.length;
    const samples = measuringBatch(data.specs, (i) => data.sample(indices[i]), size);
    const startedAt = performance.now();
    const [output] = await Promise.all(Array.from({ length: lanes }, () => runBatch(backend, model, samples, indices)));
    return { output, tookMs: performance.now() - startedAt };
  };
}
