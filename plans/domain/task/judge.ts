import type { BatchOutput } from '../../../engine/backend/backend.ts';
import type { Prediction } from '../../protocol/messages.ts';
import { NO_NUMBER } from '../cascade/certainty.ts';
import type { CertaintyKind } from '../deployment/model-entry.ts';
import type { Task } from './task.ts';

/** What a model says about one sample. */
export interface Judgement {
  readonly prediction: Prediction;
  /** In single precision, as in the profile. NO_NUMBER when a score or the certainty is NaN; the prediction is then meaningless. */
  readonly certainty: number;
}

/** Reads one row of a batch. */
export type Judge = (output: BatchOutput, row: number) => Judgement;

/** Stands in for infinity, which JSON cannot hold. */
const LARGEST_FLOAT32 = 3.4028234663852886e38;

/** @param kind whether certainty is estimated from the scores, or read from a model output. */
export function judgeOf(task: Task, kind: CertaintyKind): Judge {
  const certainty = certaintyOf(task, kind);
  return (output, row) => {
    const { scores, classes } = output;
    const offset = row * classes;
    return {
      prediction: task.predict(scores, offset, classes),
      certainty: areNumbers(scores, offset, classes) ? recorded(certainty(output, row)) : NO_NUMBER,
    };
  };
}

/**
 * A certainty as profiles store it. Thresholds are chosen from those: of a model for which many certainties round to 1, a threshold
 * of 1 would pass on all answers if they were compared in double precision.
 */
function recorded(certainty: number): number {
  if (Number.isNaN(certainty)) return NO_NUMBER;
  return Math.fround(Math.max(-LARGEST_FLOAT32, Math.min(LARGEST_FLOAT32, certainty)));
}

function certaintyOf(task: Task, kind: CertaintyKind): (output: BatchOutput, row: number) => number {
  if (typeof kind === 'string') return ({ scores, classes }, row) => task.certainty(scores, row * classes, classes);
  return ({ scores, classes, auxiliary }, row) => {
    if (auxiliary === undefined) throw new Error('the batch has no certainties');
    const columns = (auxiliary.length * classes) / scores.length;
    return 'output' in kind ? auxiliary[row * columns] : closeness(auxiliary, row * columns, columns);
  };
}

/** 1 / (1 + standard deviation) of the members of an ensemble: 1 when all agree, less the more they differ. */
function closeness(members: Float32Array, offset: number, count: number): number {
  let sum = 0;
  for (let i = offset; i < offset + count; i++) sum += members[i];
  const mean = sum / count;
  let squares = 0;
  for (let i = offset; i < offset + count; i++) squares += (members[i] - mean) ** 2;
  return 1 / (1 + Math.sqrt(squares / count));
}

function areNumbers(scores: Float32Array, offset: number, columns: number): boolean {
  for (let i = offset; i < offset + columns; i++) if (Number.isNaN(scores[i])) return false;
  return true;
}
