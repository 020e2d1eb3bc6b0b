import { parentPort, workerData } from 'node:worker_threads';
import { messageOf, WeightsMissingError } from '../../../engine/errors.ts';
import { ModelStore } from './model-store.ts';
import type { StoreOrder, StoreReply } from './store-thread.ts';

/** A thread that looks for the weights of one model. */

parentPort?.postMessage(carryOut(workerData as StoreOrder));

function carryOut({ folder, deployment, model, file, digest }: StoreOrder): StoreReply {
  try {
    return { type: 'found', found: new ModelStore(folder, deployment).find(model, file, digest) };
  } catch (error) {
    return { type: error instanceof WeightsMissingError ? 'missing' : 'failed', message: messageOf(error) };
  }
}
