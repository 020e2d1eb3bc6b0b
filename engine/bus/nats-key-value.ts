import { type KV, StorageType } from 'nats';
import type { Declaration } from './declarations.ts';
import type { JetStream } from './jetstream.ts';
import { hasNoJetStream, streamMadeAt } from './jetstream-api.ts';
import type { KeyValueEntry, KeyValueOptions, KeyValueStore } from './key-value.ts';
import { apiErrorOf, unavailable } from './nats-errors.ts';

const REQUEST_TIMEOUT_MS = 2_000;
/** The server's error code for a conditional write whose condition does not hold. */
const WRONG_LAST_SEQUENCE = 10071;

/**
 * Opens a bucket of the JetStream key-value store, and creates it if it does not exist.
 * @returns undefined when the server has had no JetStream since we connected.
 * @throws CascadeError UNAVAILABLE when the server does not answer, refuses this user, or has lost JetStream: a full disk disables it.
 */
export async function openNatsKeyValue(
  jetStream: JetStream,
  bucket: string,
  { ttlMs, watched, replicas }: KeyValueOptions & { readonly replicas: number },
): Promise<KeyValueStore | undefined> {
  let kv: KV | undefined;
  const declaration: Declaration = {
    kind: 'bucket',
    name: bucket,
    declare: async () => {
      const { connection } = await jetStream.open();
      kv = await connection.jetstream({ timeout: REQUEST_TIMEOUT_MS }).views.kv(bucket, {
        history: 1,
        replicas,
        // Values with a time to live are short-lived, so they need not survive a server restart.
        storage: ttlMs === undefined ? StorageType.File : StorageType.Memory,
        ...(ttlMs === undefined ? {} : { ttl: ttlMs }),
      });
    },
    madeAt: () => streamMadeAt(() => jetStream.open(), `KV_${bucket}`),
  };
  try {
    await (watched ? jetStream.declarations.add(declaration) : declaration.declare());
    jetStream.wasThere = true;
    return kv && new NatsKeyValue(kv);
  } catch (error) {
    if (hasNoJetStream(error) && !jetStream.wasThere) return undefined;
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
  if (apiErrorOf(error)?.err_code === WRONG_LAST_SEQUENCE) return undefined;
  throw error;
}
