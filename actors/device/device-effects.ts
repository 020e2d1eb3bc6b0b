import type { Effect } from '../../engine/actor/effect.ts';
import type { Result, WorkItem } from '../../plans/protocol/messages.ts';
import type { ReportedReason } from '../../plans/protocol/unserved.ts';
import type { Queued } from './batcher.ts';
import type { BatchOrder, SpareOrder } from './orders.ts';

/** What a client receives: a result, or why there is none. */
export type Answer =
  | { readonly type: 'result'; readonly request: Queued; readonly result: Result }
  | {
      readonly type: 'failure';
      readonly request: Queued;
      readonly reason: ReportedReason;
      readonly message: string;
      readonly retryAfterMs?: number | undefined;
    };

/** Effects of a device's core. */
export type DeviceEffect = Effect<DeviceTask>;

export type DeviceTask =
  | { readonly type: 'run'; readonly order: BatchOrder | SpareOrder }
  /** Checks at this time whether a batch should start; undefined: cancels the check. */
  | { readonly type: 'wake'; readonly at: number | undefined }
  /** All replicas are ready, and a heartbeat has said so. */
  | { readonly type: 'ready' }
  /** No batch can run. */
  | { readonly type: 'idle' }
  /** Nothing waits or runs, and nothing more will come. */
  | { readonly type: 'drained' }
  /** Sends answers, and reports their requests as ended to the frontends; the core learns which were sent. They complete `batch`. */
  | { readonly type: 'answer'; readonly answers: readonly Answer[]; readonly batch?: BatchOrder | undefined }
  /** A request ended here without an answer. */
  | { readonly type: 'ended'; readonly request: Pick<Queued, 'origin' | 'item'>; readonly computed: boolean }
  /** Sends a request to another device. */
  | {
      readonly type: 'work';
      readonly device: string;
      readonly model: string;
      readonly origin: string;
      readonly item: WorkItem;
      readonly bytes: number;
    }
  /** Sends what was collected for other devices and for frontends now. */
  | { readonly type: 'flush' }
  /** When to search for cancelled requests. */
  | { readonly type: 'cancel-at'; readonly at: number }
  | { readonly type: 'audit'; readonly device: string; readonly data: Uint8Array }
  /** Asks the server for an answer, which arrives after everything sent during a pause. */
  | { readonly type: 'catch-up' }
  /** An inference does not return. */
  | { readonly type: 'hung' };
