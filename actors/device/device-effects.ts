import type { Effect } from '../../engine/actor/effect.ts';
import type { Result, WorkItem } from '../../plans/protocol/messages.ts';
import type { ToldReason } from '../../plans/protocol/unserved.ts';
import type { Queued } from './batcher.ts';
import type { BatchOrder, SpareOrder } from './orders.ts';

/** What a client is told: a result, or why there is none. */
export type Answer =
  | { readonly type: 'result'; readonly request: Queued; readonly result: Result }
  | {
      readonly type: 'failure';
      readonly request: Queued;
      readonly reason: ToldReason;
      readonly message: string;
      readonly retryAfterMs?: number | undefined;
    };

/** What a device's core wants done. */
export type DeviceEffect = Effect<DeviceTask>;

export type DeviceTask =
  | { readonly type: 'run'; readonly order: BatchOrder | SpareOrder }
  /** Looks again at that time whether a batch is to be started; at no time, where it is undefined. */
  | { readonly type: 'wake'; readonly at: number | undefined }
  /** All replicas are ready, and the frontends know. */
  | { readonly type: 'ready' }
  /** No batch can run. */
  | { readonly type: 'idle' }
  /** Nothing waits, nothing runs, and nothing new comes. */
  | { readonly type: 'drained' }
  /** The core is told which of them were sent, and their frontends that these have ended. `batch` has ended with them. */
  | { readonly type: 'answer'; readonly answers: readonly Answer[]; readonly batch?: BatchOrder | undefined }
  /** A request has ended here without an answer. */
  | { readonly type: 'ended'; readonly request: Pick<Queued, 'origin' | 'item'>; readonly computed: boolean }
  /** To another device. */
  | {
      readonly type: 'work';
      readonly device: string;
      readonly model: string;
      readonly origin: string;
      readonly item: WorkItem;
      readonly bytes: number;
    }
  /** What has been collected for other devices and for frontends is sent now. */
  | { readonly type: 'flush' }
  /** When requests that were given up meanwhile are looked for. */
  | { readonly type: 'cancel-at'; readonly at: number }
  | { readonly type: 'audit'; readonly device: string; readonly data: Uint8Array }
  /** What came during a pause has been read when the server has answered. */
  | { readonly type: 'catch-up' }
  /** An inference does not come back. */
  | { readonly type: 'hung' };
