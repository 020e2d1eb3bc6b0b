import type { BatchOutput, OutputTensor } from '../../engine/backend/backend.ts';
import { endOfStrings } from '../../engine/tensor/strings.ts';
import { elements } from '../../engine/tensor/tensor.ts';
import { NO_NUMBER } from '../../plans/domain/cascade/certainty.ts';
import type { Judgement } from '../../plans/domain/task/judge.ts';
import { CERTAIN, cascadeStep, LAST } from '../../plans/policy/cascade-step.ts';
import type { CompiledGear } from '../../plans/policy/compiled-plan.ts';
import type { Exit, Opinion, OutputValue, Result, WorkItem } from '../../plans/protocol/messages.ts';
import type { Queued } from './batcher.ts';

/** The gear that is acted on, and the plan that it is of. */
export interface InForce {
  readonly revision: number;
  readonly gear: CompiledGear;
}

/** What becomes of a request after an inference. */
export type Outcome = {
  readonly request: Queued;
  /** Of the model's answer. */
  readonly certainty: number;
} & (
  | { readonly type: 'answer'; readonly result: Result }
  | { readonly type: 'forward'; readonly model: number; readonly item: WorkItem }
  /** No model is left to ask, and this one said nothing. */
  | { readonly type: 'failed'; readonly message: string }
);

export interface ReplicaOptions {
  readonly models: readonly string[];
  readonly classes: readonly string[] | undefined;
  /** Reads one row of a batch of a model. */
  readonly judge: (output: BatchOutput, row: number, model: number) => Judgement;
}

/**
 * Reads a batch's scores and decides for each request, by the gear in force now, whether it is answered or goes on.
 * @param startedAt when the batch's inference was started.
 */
export function finishBatch(
  options: ReplicaOptions,
  { revision, gear }: InForce,
  model: number,
  requests: readonly Queued[],
  output: BatchOutput,
  startedAt: number,
  now: number,
): Outcome[] {
  return requests.map((request, i): Outcome => {
    const { item } = request;
    const offset = i * output.classes;
    const queueMs = item.queueMs + (startedAt - request.enqueuedAt);
    const computeMs = item.computeMs + (now - startedAt);
    const { prediction, certainty } = options.judge(output, i, model);
    const step = cascadeStep(gear, model, certainty);
    if (certainty === NO_NUMBER) {
      // What an earlier model said stands for as long as there are others to ask.
      if (step >= 0) return { type: 'forward', request, certainty, model: step, item: { ...item, queueMs, computeMs } };
      const message = `model ${options.models[model]} gave scores that are no numbers (NaN) for this input`;
      return { type: 'failed', request, certainty, message };
    }
    const opinion: Opinion = {
      ...prediction,
      certainty,
      model: options.models[model],
      stage: gear.stageOf[model],
      scores: item.wantScores ? Array.from(output.scores.subarray(offset, offset + output.classes)) : undefined,
      ...(item.wantOutputs === undefined ? {} : { outputs: outputsOf(output, item.wantOutputs, i, requests.length) }),
    };
    if (step >= 0) return { type: 'forward', request, certainty, model: step, item: { ...item, queueMs, computeMs, opinion } };
    return {
      type: 'answer',
      request,
      certainty,
      result: resultOf(options, { revision, gear }, item, opinion, exitOf(step), { queueMs, computeMs, now }),
    };
  });
}

/** The answer so far, when a request cannot go on: its next replica is lost, or its time is up. */
export function standingResult(
  options: ReplicaOptions,
  inForce: InForce,
  item: WorkItem,
  opinion: Opinion,
  exit: Exit,
  now: number,
): Result {
  return resultOf(options, inForce, item, opinion, exit, { queueMs: item.queueMs, computeMs: item.computeMs, now });
}

function exitOf(step: number): Exit {
  switch (step) {
    case CERTAIN:
      return 'certain';
    case LAST:
      return 'last';
    default:
      return 'gear';
  }
}

function resultOf(
  options: ReplicaOptions,
  { revision, gear }: InForce,
  item: WorkItem,
  opinion: Opinion,
  exit: Exit,
  { queueMs, computeMs, now }: { queueMs: number; computeMs: number; now: number },
): Result {
  return {
    id: item.id,
    ...predicted(opinion, options.classes),
    certainty: opinion.certainty,
    model: opinion.model,
    stage: opinion.stage,
    exit,
    gear: gear.index,
    revision,
    timing: { queueMs, computeMs, totalMs: now - item.arrivedAt },
    ...(opinion.scores === undefined ? {} : { scores: [...opinion.scores] }),
    ...(opinion.outputs === undefined ? {} : { outputs: opinion.outputs }),
  };
}

/** One row of the outputs that a request asked for, in memory of its own: it may wait for the next model. */
function outputsOf(
  { outputs = [] }: BatchOutput,
  names: readonly string[],
  row: number,
  rows: number,
): Readonly<Record<string, OutputValue>> {
  const wanted = outputs.filter(({ name }) => names.includes(name));
  return Object.fromEntries(wanted.map((output) => [output.name, rowOf(output, row, rows)]));
}

function rowOf({ dtype, shape, data }: OutputTensor, row: number, rows: number): OutputValue {
  if (dtype !== 'string') return { dtype, shape, data: data.slice((row * data.length) / rows, ((row + 1) * data.length) / rows) };
  const from = endOfStrings(data, 0, row * elements(shape));
  return { dtype, shape, data: data.slice(from, endOfStrings(data, from, elements(shape))) };
}

/** In the order of the fields of a result, with the names of classes. */
function predicted({ label, labels, value }: Opinion, classes: readonly string[] | undefined): Partial<Result> {
  if (value !== undefined) return { value };
  if (labels !== undefined)
    return { labels, ...(classes === undefined ? {} : { classNames: labels.map((each) => classes[each]) }) };
  const className = label === undefined ? undefined : classes?.[label];
  return { ...(label === undefined ? {} : { label }), ...(className === undefined ? {} : { className }) };
}
