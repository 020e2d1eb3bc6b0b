import { expect, it } from 'vitest';
import type { Deployment } from '../../../../../plans/domain/deployment/deployment.ts';
import { outputWarnings } from '../../../../../plans/domain/task/output-warnings.ts';

type Answers = Parameters<typeof outputWarnings>[3];
const answers = (given: Partial<Answers>): Answers => ({
  columns: 2,
  certaintyColumns: undefined,
  predictions: new Int32Array(4),
  certainties: new Float32Array(4),
  quality: Float32Array.of(1, 1, 1, 0),
  scores: undefined,
  unit: false,
  rowSum: undefined,
  noNumbers: 0,
  ...given,
});
const warnings = (
  deployment: Partial<Deployment>,
  given: Partial<Answers>,
  alternatives: string[] = [],
  labels = Int32Array.of(0, 1, 0, 1),
) =>
  outputWarnings(
    { task: 'classification', certainty: 'margin', scores: 'logits', classes: undefined, ...deployment } as Deployment,
    { name: 'm', file: 'm.onnx', maxBatch: 1 },
    { output: 'out', choice: { output: 'out', why: 'out has 2 columns', alternatives }, all: ['out'] },
    answers(given),
    labels,
  );

it('is silent about a model that is fine', () => {
  expect(warnings({}, {})).toEqual([]);
});

it('counts more classes than a call takes arguments', () => {
  const labels = Int32Array.from({ length: 200_000 }, (_, i) => i);
  expect(warnings({}, { quality: new Float32Array(200_000).fill(1) }, [], labels)).toEqual([]);
});

it.each<[RegExp, Partial<Deployment>, Partial<Answers>, string[]]>([
  [
    /is right on 50.0 % .* most common class would be right on 50.0 %: check that output out/,
    {},
    { quality: Float32Array.of(1, 1, 0, 0) },
    [],
  ],
  [/output out has 64 columns, but the labels have 2 classes/, {}, { columns: 64 }, []],
  [/answered NaN for 4 of 4/, { task: 'binary' }, { noNumbers: 4, columns: 1, unit: true }, []],
  [/answered NaN for 3 of 4 validation samples/, {}, { noNumbers: 3 }, []],
  [/out has 2 columns, so it is read as the scores; other are also possible/, {}, {}, ['other']],
  [/all scores look like probabilities; write `scores: probabilities`/, {}, { unit: true, rowSum: 1.0005 }, []],
  [
    /scores of each sample add up to 100, .* divide them by 100 in the graph and write `scores: probabilities`/,
    {},
    { rowSum: 100.01 },
    [],
  ],
  [/all scores are from 0 to 1, like probabilities/, { task: 'binary' }, { columns: 1, unit: true }, []],
  [/not probabilities: not all rows are from 0 to 1 and sum to 1/, { scores: 'probabilities' }, { unit: true }, []],
  [/not probabilities: some are not from 0 to 1/, { scores: 'probabilities', task: 'multi-label' }, {}, []],
])('warns: %s', (message, deployment, given, alternatives) => {
  expect(warnings(deployment, given, alternatives)).toEqual([expect.stringMatching(message)]);
});
