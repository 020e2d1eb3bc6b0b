import { Observable } from 'rxjs';
import type { Bus } from '../../engine/bus/bus.ts';
import type { KeyValueStore } from '../../engine/bus/key-value.ts';
import { reconnected$ } from '../../engine/bus/reconnected.ts';
import { type Clock, every } from '../../engine/clock.ts';
import { messageOf } from '../../engine/errors.ts';
import type { Logger } from '../../engine/log.ts';

export interface LeaseOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  /** Bucket of the key-value store that holds the lease, and nothing else: its values expire. */
  readonly bucket: string;
  /** Who we are, for people who look. */
  readonly owner: string;
  readonly ttlMs?: number;
}

const KEY = 'controller';
/** A holder that dies is succeeded after this; short, as meanwhile the gear stands still. */
const LEASE_TTL_MS = 2_000;
/** Renewals within the time to live: one may be lost. */
const ATTEMPTS_PER_TTL = 4;

/**
 * Who of several controllers acts: emits true when this one holds the lease and false when it no longer does, or cannot tell
 * because the store is out of reach. Given back when unsubscribed. Without JetStream there is nothing to hold a lease with:
 * true, and a warning.
 */
export function lease$({ bus, clock, log, bucket, owner, ttlMs = LEASE_TTL_MS }: LeaseOptions): Observable<boolean> {
  return new Observable((subscriber) => {
    let store: KeyValueStore | undefined;
    let revision: number | undefined;
    let validUntil = Number.NEGATIVE_INFINITY;
    let held: boolean | undefined;
    let asking = false;
    let complaint = '';

    const report = (now: boolean): void => {
      if (now === held) return;
      held = now;
      subscriber.next(now);
    };

    const attempt = async (): Promise<void> => {
      store ??= await bus.keyValue(bucket, { ttlMs, watched: true });
      if (store === undefined) {
        log.warn('the NATS server has no JetStream: no lease, so run one controller only; pushed plans live as long as it does');
        checks.unsubscribe();
        report(true);
        return;
      }
      const value = Buffer.from(owner);
      const askedAt = clock.now();
      revision = revision === undefined ? await store.create(KEY, value) : await store.update(KEY, value, revision);
      // From when we asked: the server cannot have begun to count before.
      if (revision !== undefined) validUntil = askedAt + ttlMs;
      complaint = '';
    };

    const check = (): void => {
      if (clock.now() >= validUntil && held !== undefined) report(false);
      if (asking) return;
      asking = true;
      attempt()
        .catch((error) => {
          // Our connection closes as we leave: nothing is amiss.
          if (subscriber.closed) return;
          if (messageOf(error) !== complaint) log.warn({ reason: messageOf(error) }, 'the lease store is out of reach');
          complaint = messageOf(error);
          // It may come back empty.
          store = undefined;
        })
        .finally(() => {
          asking = false;
          if (!subscriber.closed && store !== undefined) report(revision !== undefined && clock.now() < validUntil);
        });
    };

    const checks = every(clock, ttlMs / ATTEMPTS_PER_TTL).subscribe(check);
    checks.add(reconnected$(bus).subscribe(check));
    check();
    return () => {
      checks.unsubscribe();
      if (held && store !== undefined && revision !== undefined)
        store.delete(KEY).catch((error) => log.info({ reason: messageOf(error) }, 'the lease was not given back; it expires'));
    };
  });
}
