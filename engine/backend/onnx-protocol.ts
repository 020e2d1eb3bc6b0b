import type { Dtype } from '../tensor/tensor.ts';
import type { AuxiliaryOutput, OutputTensor } from './backend.ts';
import type { ValueInfo } from './model-interface.ts';

/**
 * What the backend and its worker thread say to each other. Every order is answered once, by its id, in order. A small batch is
 * ordered through shared memory instead; then the bare id as reply says that its output is there, too.
 */
export type Order =
  | {
      readonly id: number;
      readonly type: 'load';
      /** Its key. */
      readonly model: string;
      /** What errors call it. */
      readonly name: string;
      readonly file: string;
      readonly output: string | undefined;
    }
  | {
      readonly id: number;
      readonly type: 'run';
      readonly model: string;
      readonly feeds: readonly Feed[];
      /** Names of outputs to give beside the scores. */
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
  /** Unasked, once: the system's number of the inference thread, and what is not as it was asked to be. */
  | { readonly id: -1; readonly type: 'started'; readonly thread: number; readonly warnings: readonly string[] }
  /** `config`: for the person who wrote the deployment; `input`: a sample that the model cannot take; `internal`: any other. */
  | {
      readonly id: number;
      readonly type: 'failed';
      readonly reason: 'config' | 'input' | 'internal';
      readonly message: string;
    };

/** How sessions are made; given to the worker when it starts. */
export interface WorkerSettings {
  readonly kind: 'cpu' | 'cuda';
  readonly threads: number;
  /** Those of all devices on this machine together. */
  readonly threadsOfMachine: number;
  /** Cores that the inference threads are pinned to; none: wherever the system puts them. */
  readonly cores: readonly number[];
  readonly deviceId: number;
  readonly auxiliary: AuxiliaryOutput | undefined;
  /** Of a SharedBatch, notified after each order. */
  readonly shared: SharedArrayBuffer;
}
