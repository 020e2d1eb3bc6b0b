import type { BatchOutput, OutputTensor } from '../../engine/backend/backend.ts';
import { endOfStrings } from '../../engine/tensor/strings.ts';
import { elements } from '../../engine/tensor/tensor.ts';
import { NO_NUMBER } from '../../plans/domain/cascade/certainty.ts';
import type { Judgement } from '../../plans/domain/task/judge.ts';
import { CERTAIN, cascadeStep, LAST } from '../../plans/policy/cascade-step.ts';
import type { CompiledGear, CompiledPlan } from '../../plans/policy/compiled-plan.ts';
import type { Exit, Opinion, OutputValue, Prediction, Result, WorkItem } from '../../plans/protocol/messages.ts';
import type { Queued } from './batcher.ts';

/** The gear in force here, and its plan. */
export interface InForce {
  readonly revision: number;
  readonly plan: CompiledPlan;
  readonly gear: CompiledGear;
}

/** What happens to a request after an inference. */
export type Outcome = {
  readonly request: Queued;
  /** Certainty of the model's answer. */
  readonly certainty: number;
} & (
  | { readonly type: 'answer'; readonly result: Result }
  | { readonly type: 'forward'; readonly model: number; readonly item: WorkItem }
  /** The last model gave no answer. */
  | { readonly type: 'failed'; readonly message: string }
);

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export interface ReplicaOptions {
  readonly models: readonly string[];
  readonly classes: readonly string[] | undefined;
  /** Reads one row of a model's batch. */
  readonly judge: (output: BatchOutput, row: number, model: number) => Judgement;
}

/**
 * Reads a batch's scores and decides for each request, by a gear, whether it is answered or moves on.
 * @param startedAt when the batch's inference started.
 */
export function finishBatch(
  options: ReplicaOptions,
  { revision, gear }: Pick<InForce, 'revision' | 'gear'>,
  model: number,
  requests: readonly Queued[],
  output: BatchOutput,
  startedAt: number,
  now: number,
): Outcome[] {
  return requests.map((request, i): Outcome => {
    const { item } = request;
    const queueMs = item.queueMs + (startedAt - request.enqueuedAt);
    const computeMs = item.computeMs + (now - startedAt);
    const { prediction, certainty } = options.judge(output, i, model);
    const step = cascadeStep(gear, model, certainty);
    if (certainty === NO_NUMBER) {
      // The answer of an earlier model stands while there are others to ask.
      if (step >= 0) return { type: 'forward', request, certainty, model: step, item: { ...item, queueMs, computeMs } };
      const message = `model ${options.models[model]} returned scores that are not numbers (NaN) for this input`;
      return { type: 'failed', request, certainty, message };
    }
    const opinion: Writable<Opinion> = opinionOf(prediction, certainty, options.models[model], gear.stageOf[model], {
      revision,
      gear,
    });
    if (item.wantScores) opinion.scores = Array.from(output.scores.subarray(i * output.classes, (i + 1) * output.classes));
    if (item.wantOutputs !== undefined) opinion.outputs = outputsOf(output, item.wantOutputs, i, requests.length);
    if (step >= 0) return { type: 'forward', request, certainty, model: step, item: { ...item, queueMs, computeMs, opinion } };
    const result = resultOf(options, item, opinion, exitOf(step), { queueMs, computeMs, now });
    return { type: 'answer', request, certainty, result };
  });
}

/** The answer so far, when a request cannot move on because its next replica is lost, or its time is up. */
export function standingResult(
  options: ReplicaOptions,
  { revision, gear }: Pick<InForce, 'revision' | 'gear'>,
  item: WorkItem,
  given: Opinion,
  exit: Exit,
  now: number,
): Result {
  // An answer from weights that another plan has since replaced names the plan under which it was given.
  const opinion = given.revision === revision ? { ...given, gear: gear.index } : given;
  return resultOf(options, item, opinion, exit, { queueMs: item.queueMs, computeMs: item.computeMs, now });
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

/**
 * Opinions and results are built field by field, always in the same order: spreading objects that may be empty is a hundred times as
 * expensive, for each request.
 */
export function opinionOf(
  { label, labels, value }: Prediction,
  certainty: number,
  model: string,
  stage: number,
  { revision, gear }: Pick<InForce, 'revision' | 'gear'>,
): Writable<Opinion> {
  const opinion: Writable<Opinion> = { certainty, model, stage, gear: gear.index, revision };
  if (label !== undefined) opinion.label = label;
  if (labels !== undefined) opinion.labels = labels;
  if (value !== undefined) opinion.value = value;
  return opinion;
}

/** Its fields in documented order, with the class names. */
function resultOf(
  { classes }: ReplicaOptions,
  item: WorkItem,
  { label, labels, value, certainty, model, stage, gear, revision, scores, outputs }: Opinion,
  exit: Exit,
  { queueMs, computeMs, now }: { queueMs: number; computeMs: number; now: number },
): Result {
  const result: Partial<Result> = { id: item.id };
  if (value !== undefined) result.value = value;
  if (labels !== undefined) {
    result.labels = labels;
    if (classes !== undefined) result.classNames = labels.map((each) => classes[each]);
  }
  if (label !== undefined) {
    result.label = label;
    const className = classes?.[label];
    if (className !== undefined) result.className = className;
  }
  result.certainty = certainty;
  result.model = model;
  result.stage = stage;
  result.exit = exit;
  result.gear = gear;
  result.revision = revision;
  result.timing = { queueMs, computeMs, totalMs: now - item.arrivedAt };
  if (scores !== undefined) result.scores = [...scores];
  if (outputs !== undefined) result.outputs = outputs;
  return result as Result;
}

/** One row of the outputs that a request asked for, as a copy: it may wait for the next model. */
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
