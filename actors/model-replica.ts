import type { BatchOutput } from '../engine/backend/backend.ts';
import type { Exit, Opinion, Result, WorkItem } from '../engine/wire/messages.ts';
import { argmax } from '../plans/certainty.ts';
import { CERTAIN, cascadeStep, LAST } from '../plans/policy/cascade-step.ts';
import type { CompiledGear } from '../plans/policy/compiled-plan.ts';
import type { Queued } from './batcher.ts';

/** The gear that is acted on, and the plan that it is of. */
export interface InForce {
  readonly revision: number;
  readonly gear: CompiledGear;
}

/** What becomes of a request after an inference. */
export type Outcome =
  | { readonly type: 'answer'; readonly request: Queued; readonly result: Result }
  | { readonly type: 'forward'; readonly request: Queued; readonly model: number; readonly item: WorkItem };

export interface ReplicaOptions {
  readonly models: readonly string[];
  readonly classes: readonly string[] | undefined;
  /** Certainty of one row of a batch. */
  readonly certainty: (output: BatchOutput, row: number) => number;
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
    const opinion: Opinion = {
      label: argmax(output.scores, offset, output.classes),
      certainty: options.certainty(output, i),
      model: options.models[model],
      stage: gear.stageOf[model],
      scores: item.wantScores ? Array.from(output.scores.subarray(offset, offset + output.classes)) : undefined,
    };
    const step = cascadeStep(gear, model, opinion.certainty);
    if (step >= 0) return { type: 'forward', request, model: step, item: { ...item, queueMs, computeMs, opinion } };
    return {
      type: 'answer',
      request,
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
  const className = options.classes?.[opinion.label];
  return {
    id: item.id,
    label: opinion.label,
    ...(className === undefined ? {} : { className }),
    certainty: opinion.certainty,
    model: opinion.model,
    stage: opinion.stage,
    exit,
    gear: gear.index,
    revision,
    timing: { queueMs, computeMs, totalMs: now - item.arrivedAt },
    ...(opinion.scores === undefined ? {} : { scores: [...opinion.scores] }),
  };
}
