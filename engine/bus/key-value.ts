/** A stored value, and its revision for conditional writes. Revisions in a bucket only increase. */
export interface KeyValueEntry {
  readonly value: Uint8Array;
  readonly revision: number;
}

export interface KeyValueOptions {
  /** Values expire this long after they were written; default: never. */
  readonly ttlMs?: number;
  /** Recreated when the server has lost it, and reported by `Bus.losses$`, for users who can fill it again. Default false. */
  readonly watched?: boolean;
}

/**
 * A bucket of small values that outlive processes: NATS's JetStream key-value store, or memory in simulations. Keys consist of letters,
 * digits, `_`, `-` and `.`. All methods throw CascadeError UNAVAILABLE when the store cannot be reached.
 */
export interface KeyValueStore {
  get(key: string): Promise<KeyValueEntry | undefined>;
  /** Returns the new revision. */
  put(key: string, value: Uint8Array): Promise<number>;
  /** Writes a new key and returns its revision; undefined when the key exists. */
  create(key: string, value: Uint8Array): Promise<number | undefined>;
  /** Writes a key that is still at `revision`; undefined when it has changed. */
  update(key: string, value: Uint8Array, revision: number): Promise<number | undefined>;
  delete(key: string): Promise<void>;
}
