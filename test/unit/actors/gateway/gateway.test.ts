import { afterEach, expect, test } from 'vitest';
import { gatewayActor } from '../../../../actors/gateway/gateway.ts';
import { outputsOf } from '../../../../actors/gateway/outputs.ts';
import { ServedModel } from '../../../../actors/gateway/served-model.ts';
import { type RunningActor, startActor } from '../../../../engine/actor/actor.ts';
import { realClock } from '../../../../engine/clock.ts';
import { CascadeError } from '../../../../engine/errors.ts';
import { silentLogger } from '../../../../engine/log.ts';
import type { Result } from '../../../../plans/protocol/messages.ts';
import { MAX_OUTPUTS } from '../../../../plans/protocol/request.ts';
import { subjectsOf } from '../../../../plans/protocol/subjects.ts';
import { createLocalBus } from '../../../doubles/local-bus.ts';
import { eventually } from '../../../support/eventually.ts';
import { resultFor } from '../../../support/stub-frontend.ts';

let gateway: RunningActor;
afterEach(() => gateway.stop(0));

/** Starts a gateway in front of models with these outputs, and waits until it is ready. */
async function readyModel(names: readonly string[], answer: (outputs: readonly string[]) => Result): Promise<ServedModel> {
  const model = new ServedModel('m', [], outputsOf({ task: 'classification', classes: 2, named: false }, names));
  await new Promise((onReady) => {
    gateway = startActor(
      gatewayActor({
        name: 'gateway-test',
        subjects: subjectsOf('test'),
        client: { infer: async (_, { outputs = [] } = {}) => answer(outputs), send: () => () => undefined },
        model,
        warmUp: [{ x: Uint8Array.of(0) }],
        http: { host: '127.0.0.1', port: 0 },
        grpc: undefined,
        onListening: () => undefined,
        onReady,
      }),
      { bus: createLocalBus(realClock), clock: realClock, log: silentLogger },
    );
  });
  return model;
}

function withOutputs(names: readonly string[]): Result {
  const value = { dtype: 'uint8', shape: [1], data: Uint8Array.of(1) } as const;
  return { ...resultFor('a'), outputs: Object.fromEntries(names.map((name) => [name, value])) };
}

function listedOf(model: ServedModel, names: readonly string[]): string[] {
  return model.metadata.outputs.map(({ name }) => name).filter((name) => names.includes(name));
}

const names = Array.from({ length: MAX_OUTPUTS + 1 }, (_, i) => `hidden_${i}`);

test('is ready, and lists the outputs, if models have more of them than a request may ask for', async () => {
  const model = await readyModel(names, (outputs) => {
    if (outputs.length > MAX_OUTPUTS) throw new CascadeError('INVALID_ARGUMENT', `${outputs.length} names`);
    return withOutputs(outputs);
  });
  expect(listedOf(model, names)).toEqual(names);
});

test('is ready if some outputs cannot be returned, and lists the others', async () => {
  const model = await readyModel(names, (outputs) => {
    if (outputs.includes('hidden_3')) throw new CascadeError('INTERNAL', 'output hidden_3 is bfloat16');
    return withOutputs(outputs);
  });
  expect(listedOf(model, names)).toEqual(names.filter((name) => name !== 'hidden_3'));
});

test('is ready if the deployment is too busy for the outputs, and lists them once it is not', async () => {
  let busy = true;
  const model = await readyModel(names, (outputs) => {
    if (busy && outputs.length > 0) throw new CascadeError('RESOURCE_EXHAUSTED', 'busy');
    return withOutputs(outputs);
  });
  expect(listedOf(model, names)).toEqual([]);
  busy = false;
  await eventually(() => expect(listedOf(model, names)).toEqual(names));
});
