import { status } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import type { SharedClient } from '../../actors/client/client.ts';
import type { GatewayContext } from '../../actors/gateway/gateway-context.ts';
import { listenGrpc } from '../../actors/gateway/grpc/grpc-server.ts';
import { Inference } from '../../actors/gateway/inference.ts';
import type { Listener } from '../../actors/gateway/listener.ts';
import { outputsOf } from '../../actors/gateway/outputs.ts';
import { RequestMemory } from '../../actors/gateway/request-memory.ts';
import { ServedModel } from '../../actors/gateway/served-model.ts';
import { Statistics } from '../../actors/gateway/statistics.ts';
import { realClock } from '../../engine/clock.ts';
import { silentLogger } from '../../engine/log.ts';
import { eventually } from '../support/eventually.ts';
import { grpcClient, type InferenceGrpcClient } from '../support/grpc-client.ts';
import { resultFor } from '../support/stub-frontend.ts';

/** The gRPC server of a gateway alone, which answers each sample when the test says so. */
let listener: Listener;
let client: InferenceGrpcClient;

async function listen(memory = new RequestMemory()): Promise<{ answerAll(): void; asked: number }> {
  const model = new ServedModel(
    'm',
    [{ name: 'x', dtype: 'uint8', shape: [2] }],
    outputsOf({ task: 'classification', classes: 10, named: false }, []),
  );
  const statistics = new Statistics();
  const waiting: (() => void)[] = [];
  const state = {
    asked: 0,
    answerAll: () => {
      for (const answer of waiting.splice(0)) answer();
    },
  };
  const send: SharedClient['send'] = ({ id = '' }, onAnswer) => {
    state.asked++;
    waiting.push(() => onAnswer(resultFor(id)));
    return () => undefined;
  };
  const inference = new Inference({ client: { send }, clock: realClock, model, statistics, name: 'g' });
  const context: GatewayContext = {
    model,
    inference,
    statistics,
    memory,
    problem: () => undefined,
    draining: () => false,
    clock: realClock,
    log: silentLogger,
  };
  listener = await listenGrpc(context, { host: '127.0.0.1', port: 0 });
  client = grpcClient(listener.url);
  return state;
}

afterEach(async () => {
  client.close();
  await listener.close(0);
});

const request = (id: string, bytes = 2): object => ({
  model_name: 'm',
  id,
  inputs: [{ name: 'x', datatype: 'UINT8', shape: [bytes / 2, 2] }],
  raw_input_contents: [new Uint8Array(bytes)],
});

test('refuses a request that does not fit into the memory for requests', async () => {
  await listen(new RequestMemory(1_000));
  const message = expect.stringContaining('use all the memory');
  const refused = client.call('ModelInfer', request('a', 2_000));
  await expect(refused).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED, details: message });
  const answers = await client.stream('ModelStreamInfer', [request('a', 2_000)]).answers;
  expect(answers).toEqual([expect.objectContaining({ error_message: message })]);
});

test('ends streams when it stops: idle ones at once, others when their messages are answered; new messages are refused', async () => {
  const deployment = await listen();
  const idle = client.open('ModelStreamInfer');
  const busy = client.open('ModelStreamInfer');
  idle.write(request('first'));
  busy.write(request('second'));
  await eventually(() => expect(deployment.asked).toBe(2));
  deployment.answerAll();
  busy.write(request('third'));
  await eventually(() => expect([deployment.asked, idle.answers.length]).toEqual([3, 1]));

  const closed = listener.close(60_000);
  const unavailable = { code: status.UNAVAILABLE, details: expect.stringContaining('draining') };
  expect(await idle.ended).toMatchObject(unavailable);
  busy.write(request('late'));
  await eventually(() => expect(busy.answers).toHaveLength(2));
  expect(busy.answers[1]).toMatchObject({
    error_message: expect.stringContaining('draining'),
    infer_response: { id: 'late', outputs: [] },
  });
  deployment.answerAll();
  expect(await busy.ended).toMatchObject(unavailable);
  expect(busy.answers[2]).toMatchObject({ error_message: '', infer_response: { id: 'third' } });
  expect(deployment.asked).toBe(3);
  await closed;
});
