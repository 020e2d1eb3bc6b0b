import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { ConfigError, messageOf } from '../errors.ts';
import type { Dtype } from '../tensor/tensor.ts';
import type { Order, Reply, WorkerSettings } from './onnx-protocol.ts';
import { type LoadedModel, openSession } from './onnx-session.ts';
import { SharedBatch, type SharedOrder } from './onnx-shared.ts';
import { pinThisThread, thisThread, yieldToEventLoop } from './pin-thread.ts';
import { UnfitSample } from './runtime-error.ts';

/** The thread that owns the sessions, because `session.run` blocks its caller for the whole inference. */

const port = parentPort;
if (port === null) throw new Error('onnx-worker runs as a worker thread');
const settings = workerData as WorkerSettings;
/** By key. */
const sessions = new Map<string, LoadedModel & { readonly name: string }>();
/** Keys of the loaded models by the id of the order that loaded them. */
const keys = new Map<number, string>();
const shared = new SharedBatch(settings.shared);

// Before the first session, because the threads of its pool inherit both.
const warnings = [yieldToEventLoop(settings.threadsOfMachine), pinThisThread(settings.cores)].filter(
  (each) => each !== undefined,
);
port.postMessage({ id: -1, type: 'started', thread: thisThread(), warnings } satisfies Reply);
void serve(port);

/**
 * Carries out one order after the other: calls are asynchronous, and `close` must not release a session that is running. Between
 * orders the thread sleeps on the signal instead of in its event loop. It wakes up some hundredths of a millisecond sooner that
 * way, a third of the cost of passing a tiny batch to a thread and back.
 */
async function serve(orders: MessagePort): Promise<void> {
  for (;;) {
    const seen = shared.signal();
    const small = shared.take();
    if (small !== undefined) {
      await handle(orderOf(small), true);
      continue;
    }
    const received = receiveMessageOnPort(orders) as { message: Order } | undefined;
    if (received === undefined) shared.sleep(seen);
    else {
      await handle(received.message, false);
      if (received.message.type === 'close') return;
    }
  }
}

/** The same order as a message would carry. */
function orderOf({ id, model: number, inputs }: SharedOrder): Order {
  const model = keys.get(number) ?? '';
  const known = sessions.get(model)?.inputs ?? [];
  return {
    id,
    type: 'run',
    model,
    feeds: known.map(({ name, type }, i) => ({ name, dtype: type as Dtype, ...inputs[i] })),
    outputs: [],
  };
}

async function handle(order: Order, small: boolean): Promise<void> {
  try {
    await carryOut(order, small);
  } catch (error) {
    const reason = error instanceof ConfigError ? 'config' : error instanceof UnfitSample ? 'input' : 'internal';
    const message =
      order.type === 'run' ? `model ${sessions.get(order.model)?.name ?? order.model}: ${messageOf(error)}` : messageOf(error);
    send({ id: order.id, type: 'failed', reason, message });
  }
}

async function carryOut(order: Order, small: boolean): Promise<void> {
  const { id } = order;
  const startedAt = performance.now();
  switch (order.type) {
    case 'load': {
      await sessions.get(order.model)?.release();
      const session = await openSession(order.file, settings, order.output);
      sessions.set(order.model, { ...session, name: order.name });
      forget(order.model);
      keys.set(id, order.model);
      return send({ id, type: 'loaded', inputs: session.inputs, outputs: session.outputs });
    }
    case 'run': {
      const session = sessions.get(order.model);
      if (session === undefined) throw new Error('is not loaded');
      const output = { ...(await session.run(order.feeds, order.outputs)), computeMs: performance.now() - startedAt };
      if (small && shared.putOutput(output)) return port?.postMessage(id);
      const extra = output.outputs?.map(({ data }) => data.buffer) ?? [];
      return send({ id, type: 'ran', ...output }, output.scores.buffer, ...extra);
    }
    case 'unload':
      await sessions.get(order.model)?.release();
      sessions.delete(order.model);
      forget(order.model);
      return send({ id, type: 'done' });
    case 'close':
      for (const session of sessions.values()) await session.release();
      sessions.clear();
      send({ id, type: 'done' });
      port?.close();
  }
}

function forget(model: string): void {
  for (const [id, key] of keys) if (key === model) keys.delete(id);
}

function send(reply: Reply, ...transfer: ArrayBuffer[]): void {
  port?.postMessage(reply, transfer);
}
