import { oneColumnCertainty } from './binary.ts';
import type { Task, TaskSettings } from './task.ts';

/**
 * Any number of labels, with a column for each: its probability, or its logit. The answer holds those above a probability of 0.5, and
 * is as certain as its least certain label. Quality and agreement are the Jaccard index: labels in both over labels in either, and 1
 * for two empty sets (the example-based accuracy of Godbole and Sarawagi, 2004).
 */
export function multiLabel(settings: Pick<TaskSettings, 'estimator' | 'scores'>): Task {
  const ofOne = oneColumnCertainty(settings);
  const threshold = settings.scores === 'logits' ? 0 : 0.5;
  return {
    predict: (scores, offset, columns) => {
      const labels: number[] = [];
      for (let c = 0; c < columns; c++) if (scores[offset + c] > threshold) labels.push(c);
      return { labels };
    },
    certainty: (scores, offset, columns) => {
      let least = Number.POSITIVE_INFINITY;
      for (let c = 0; c < columns; c++) least = Math.min(least, ofOne(scores[offset + c]));
      return least;
    },
    quality: ({ labels = [] }, truth) =>
      jaccard(
        labels,
        Array.from(truth).flatMap((value, label) => (value === 1 ? [label] : [])),
      ),
    agreement: (a, b) => jaccard(a.labels ?? [], b.labels ?? []),
  };
}

function jaccard(a: readonly number[], b: readonly number[]): number {
  const both = a.filter((label) => b.includes(label)).length;
  const either = a.length + b.length - both;
  return either === 0 ? 1 : both / either;
}
