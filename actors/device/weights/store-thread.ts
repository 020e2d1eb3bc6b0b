import { Worker } from 'node:worker_threads';
import { WeightsMissingError } from '../../../engine/errors.ts';
import { entry } from '../../../engine/source.ts';
import type { FoundWeights } from './model-store.ts';

export interface StoreOrder {
  readonly folder: string;
  readonly deployment: string;
  readonly model: string;
  readonly file: string;
  readonly digest: string;
}

export type StoreReply =
  | { readonly type: 'found'; readonly found: FoundWeights }
  | { readonly type: 'missing' | 'failed'; readonly message: string };

/**
 * Runs `ModelStore.find` in a thread: reading gigabytes would stop the event loop from sending heartbeats.
 * @throws WeightsMissingError like that.
 */
export function findWeights(order: StoreOrder): Promise<FoundWeights> {
  const { url, execArgv } = entry('actors/device/weights/store-worker');
  return new Promise((resolve, reject) => {
    const worker = new Worker(url, { workerData: order, execArgv: [...execArgv], name: 'model-store' });
    worker.on('message', (reply: StoreReply) => {
      if (reply.type === 'found') resolve(reply.found);
      else reject(reply.type === 'missing' ? new WeightsMissingError(reply.message) : new Error(reply.message));
    });
    worker.on('error', reject);
    // No effect after a reply.
    worker.on('exit', (code) => reject(new Error(`the thread of the model store ended with code ${code}`)));
  });
}
