import { type KV, type NatsConnection, StorageType } from 'nats';
import type { KeyValueEntry, KeyValueOptions, KeyValueStore } from './key-value.ts';
import { codeOf, unavailable } from './nats-errors.ts';

const REQUEST_TIMEOUT_MS = 2_000;
/** The server's error for a conditional write whose condition does not hold. */
const WRONG_LAST_SEQUENCE = 10071;
/** The server's errors for JetStream that is not there for this account, or not at all. */
const NO_JETSTREAM = [10039, 10076];

/**
 * Opens a bucket of the JetStream key-value store, which is made where there is none.
 * @returns undefined when the server has no JetStream.
 * @throws CascadeError UNAVAILABLE when the server does not answer, or does not let this user.
 */
export async function openNatsKeyValue(
  connection: NatsConnection,
  bucket: string,
  { ttlMs, replicas }: KeyValueOptions & { readonly replicas: number },
): Promise<KeyValueStore | undefined> {
  try {
    const kv = await connection.jetstream({ timeout: REQUEST_TIMEOUT_MS }).views.kv(bucket, {
      history: 1,
      replicas,
      // What has a time to live is of the moment: a restarted server need not know of it.
      storage: ttlMs === undefined ? StorageType.File : StorageType.Memory,
      ...(ttlMs === undefined ? {} : { ttl: ttlMs }),
    });
    return new NatsKeyValue(kv);
  } catch (error) {
    if (codeOf(error) === '503' || NO_JETSTREAM.includes(apiCodeOf(error) ?? 0)) return undefined;
    throw unavailable(error);
  }
}

class NatsKeyValue implements KeyValueStore {
  readonly #kv: KV;

  constructor(kv: KV) {
    this.#kv = kv;
  }

  get(key: string): Promise<KeyValueEntry | undefined> {
    return reached(async () => {
      const entry = await this.#kv.get(key);
      return entry === null || entry.operation !== 'PUT' ? undefined : { value: entry.value, revision: entry.revision };
    });
  }

  put(key: string, value: Uint8Array): Promise<number> {
    return reached(() => this.#kv.put(key, value));
  }

  create(key: string, value: Uint8Array): Promise<number | undefined> {
    return reached(() => this.#kv.create(key, value).catch(undefinedIfChanged));
  }

  update(key: string, value: Uint8Array, revision: number): Promise<number | undefined> {
    return reached(() => this.#kv.update(key, value, revision).catch(undefinedIfChanged));
  }

  delete(key: string): Promise<void> {
    return reached(() => this.#kv.delete(key));
  }
}

async function reached<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw unavailable(error);
  }
}

function undefinedIfChanged(error: unknown): undefined {
  if (apiCodeOf(error) === WRONG_LAST_SEQUENCE) return undefined;
  throw error;
}

function apiCodeOf(error: unknown): number | undefined {
  return (error as { api_error?: { err_code?: number } } | null)?.api_error?.err_code;
}
