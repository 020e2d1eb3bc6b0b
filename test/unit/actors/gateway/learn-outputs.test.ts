import { expect, test } from 'vitest';
import { OutputLearning } from '../../../../actors/gateway/learn-outputs.ts';
import { outputsOf } from '../../../../actors/gateway/outputs.ts';
import { ServedModel } from '../../../../actors/gateway/served-model.ts';
import { CascadeError, type ErrorCode } from '../../../../engine/errors.ts';
import { silentLogger } from '../../../../engine/log.ts';
import { resultFor } from '../../../support/stub-frontend.ts';

/** Models with the outputs `answer` and `other`, of which the first fails as often as given. */
function learningWith(
  failures: number,
  code: ErrorCode,
): { learning: OutputLearning; defaults: () => string[]; listed: () => string[] } {
  const model = new ServedModel('m', [], outputsOf({ task: 'custom', classes: 0, named: false }, ['answer', 'other']));
  let left = failures;
  const infer = async (_: unknown, { outputs = [] }: { readonly outputs?: readonly string[] } = {}) => {
    if (outputs.includes('answer') && left-- > 0) throw new CascadeError(code, 'not now');
    const value = { dtype: 'uint8', shape: [1], data: Uint8Array.of(1) } as const;
    return { ...resultFor('a'), outputs: Object.fromEntries(outputs.map((name) => [name, value])) };
  };
  const learning = new OutputLearning({ client: { infer }, model, warmUp: [{ x: Uint8Array.of(0) }], log: silentLogger });
  const ofModels = (name: string): boolean => ['answer', 'other'].includes(name);
  return {
    learning,
    defaults: () => model.outputs([]).flatMap(({ name }) => (ofModels(name) ? [name] : [])),
    listed: () => model.metadata.outputs.flatMap(({ name }) => (ofModels(name) ? [name] : [])),
  };
}

test('an output that failed is asked for again, after the others', async () => {
  // Together with the other, and alone.
  const { learning, defaults, listed } = learningWith(2, 'INTERNAL');
  expect(await learning.learn()).toBe(false);
  expect(listed()).toEqual(['other']);
  expect(defaults()).toEqual(['answer', 'other']);
  expect(await learning.learn()).toBe(true);
  expect(listed()).toEqual(['answer', 'other']);
  expect(defaults()).toEqual(['answer', 'other']);
});

test('an output that keeps failing is left out', async () => {
  const { learning, defaults, listed } = learningWith(Number.POSITIVE_INFINITY, 'INTERNAL');
  expect([await learning.learn(), await learning.learn(), await learning.learn()]).toEqual([false, false, true]);
  expect(listed()).toEqual(['other']);
  expect(defaults()).toEqual(['other']);
});

test('an output that is refused is left out at once', async () => {
  const { learning, defaults } = learningWith(2, 'INVALID_ARGUMENT');
  expect(await learning.learn()).toBe(true);
  expect(defaults()).toEqual(['other']);
});

test('a busy deployment is not asked for more until later', async () => {
  const { learning, listed } = learningWith(1, 'UNAVAILABLE');
  expect(await learning.learn()).toBe(false);
  expect(listed()).toEqual([]);
  expect(await learning.learn()).toBe(true);
  expect(listed()).toEqual(['answer', 'other']);
});
