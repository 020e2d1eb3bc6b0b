import type { SharedClient } from '../../actors/client/client.ts';
import type { GatewayContext } from '../../actors/gateway/gateway-context.ts';
import { Inference } from '../../actors/gateway/inference.ts';
import { outputsOf } from '../../actors/gateway/outputs.ts';
import type { RequestMemory } from '../../actors/gateway/request-memory.ts';
import { ServedModel } from '../../actors/gateway/served-model.ts';
import { Statistics } from '../../actors/gateway/statistics.ts';
import { realClock } from '../../engine/clock.ts';
import { silentLogger } from '../../engine/log.ts';

/** Of a gateway without a deployment, for model `m` with one input `x` of two bytes. */
export function gatewayContext(memory: RequestMemory, send: SharedClient['send']): GatewayContext {
  const outputs = outputsOf({ task: 'classification', classes: 10, named: false }, []);
  const model = new ServedModel('m', [{ name: 'x', dtype: 'uint8', shape: [2] }], outputs);
  const statistics = new Statistics();
  return {
    model,
    inference: new Inference({ client: { send }, clock: realClock, model, statistics, name: 'g' }),
    statistics,
    memory,
    problem: () => undefined,
    draining: () => false,
    clock: realClock,
    log: silentLogger,
  };
}
