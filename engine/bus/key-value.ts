/** What is kept of a key, and the revision that a conditional write names. Revisions of one bucket only grow. */
export interface KeyValueEntry {
  readonly value: Uint8Array;
  readonly revision: number;
}

export interface KeyValueOptions {
  /** Values vanish this long after they were written; by default they stay. */
  readonly ttlMs?: number;
  /** Made anew when the server has lost it, which `Bus.losses$` tells: for those who know what belongs into it. Default false. */
  readonly watched?: boolean;
}

/**
 * A bucket of small values that outlive processes: NATS's JetStream key-value store, or memory for simulations. Keys are
 * letters, digits, `_`, `-` and `.`. All methods throw CascadeError UNAVAILABLE when the store cannot be reached.
 */
export interface KeyValueStore {
  get(key: string): Promise<KeyValueEntry | undefined>;
  /** Returns the new revision. */
  put(key: string, value: Uint8Array): Promise<number>;
  /** Writes a key that is not there; undefined when it is. */
  create(key: string, value: Uint8Array): Promise<number | undefined>;
  /** Writes a key that is still at `revision`; undefined when it is not. */
  update(key: string, value: Uint8Array, revision: number): Promise<number | undefined>;
  delete(key: string): Promise<void>;
}
