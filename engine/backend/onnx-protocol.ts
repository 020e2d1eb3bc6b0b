import type { Dtype } from '../tensor/tensor.ts';
import type { AuxiliaryOutput, OutputTensor } from './backend.ts';
import type { ValueInfo } from './model-interface.ts';

/**
 * Messages between the backend and its worker thread. Every order gets one reply with its id, in order. Small batches go through
 * shared memory instead; a bare id as the reply means that the output is there too.
 */
export type Order =
  | {
      readonly id: number;
      readonly type: 'load';
      /** Key of the model. */
      readonly model: string;
      /** Its name in errors. */
      readonly name: string;
      readonly file: string;
      readonly output: string | undefined;
    }
  | {
      readonly id: number;
      readonly type: 'run';
      readonly model: string;
      readonly feeds: readonly Feed[];
      /** Names of outputs to return in addition to the scores. */
      readonly outputs: readonly string[];
    }
  | { readonly id: number; readonly type: 'unload'; readonly model: string }
  | { readonly id: number; readonly type: 'close' };

/** One input of a batch, by the model's own name; its buffer is transferred. */
export interface Feed {
  readonly name: string;
  readonly dtype: Dtype;
  readonly data: Uint8Array;
  readonly dims: readonly number[];
}

export type Reply =
  | {
      readonly id: number;
      readonly type: 'loaded';
      readonly inputs: readonly ValueInfo[];
      readonly outputs: readonly ValueInfo[];
    }
  | {
      readonly id: number;
      readonly type: 'ran';
      readonly scores: Float32Array<ArrayBuffer>;
      readonly classes: number;
      readonly auxiliary: Float32Array<ArrayBuffer> | undefined;
      readonly computeMs: number;
      readonly outputs: readonly OutputTensor[] | undefined;
    }
  | { readonly id: number; readonly type: 'done' }
  /** Sent once at start: the operating system's id of the inference thread, and warnings about settings that failed. */
  | { readonly id: -1; readonly type: 'started'; readonly thread: number; readonly warnings: readonly string[] }
  /** `config`: an error in the deployment; `input`: a sample that the model cannot take; `internal`: anything else. */
  | {
      readonly id: number;
      readonly type: 'failed';
      readonly reason: 'config' | 'input' | 'internal';
      readonly message: string;
    };

/** Settings of the worker and its sessions, passed at start. */
export interface WorkerSettings {
  readonly kind: 'cpu' | 'cuda';
  readonly threads: number;
  /** Total over all devices on this machine. */
  readonly threadsOfMachine: number;
  /** Cores that the inference threads are pinned to; empty: not pinned. */
  readonly cores: readonly number[];
  readonly deviceId: number;
  readonly auxiliary: AuxiliaryOutput | undefined;
  /** Memory of a SharedBatch, notified after each order. */
  readonly shared: SharedArrayBuffer;
}
