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
  /** Bucket of the key-value store for the lease alone, because its values expire. */
  readonly bucket: string;
  /** Our name, for people who look at the store. No other controller may have it. */
  readonly owner: string;
  readonly ttlMs?: number;
}

const KEY = 'controller';
/** When the holder dies, another one takes over after this time. It is short, because until then the gear does not change. */
const LEASE_TTL_MS = 2_000;
/** Attempts to renew within the time to live, so that one may be lost. */
const ATTEMPTS_PER_TTL = 4;
/** How often to look whether a server without JetStream has it now. */
const LOOK_AGAIN_MS = 10_000;

/**
 * Decides which of several controllers leads: emits true when this one holds the lease, and false when it no longer does, or cannot
 * tell because the store is unreachable. Unsubscribing releases the lease. A server that has had no JetStream since we started has no
 * lease: emits true and logs a warning, until it has one.
 */
export function lease$({ bus, clock, log, bucket, owner, ttlMs = LEASE_TTL_MS }: LeaseOptions): Observable<boolean> {
  return new Observable((subscriber) => {
    let store: KeyValueStore | undefined;
    let revision: number | undefined;
    let validUntil = Number.NEGATIVE_INFINITY;
    let held: boolean | undefined;
    let asking = false;
    /** When to look for a store again; undefined: there has been one. */
    let lookAgainAt: number | undefined;
    /** The last write may have been carried out, although it failed for us. */
    let unconfirmed = false;
    let complaint = '';

    const report = (now: boolean): void => {
      if (now === held) return;
      held = now;
      subscriber.next(now);
    };

    const attempt = async (): Promise<void> => {
      store ??= await bus.keyValue(bucket, { ttlMs, watched: true });
      if (store === undefined) {
        if (lookAgainAt === undefined)
          log.warn(
            'the NATS server has no JetStream, so there is no lease: run only one controller; it forgets pushed plans when it exits',
          );
        lookAgainAt = clock.now() + LOOK_AGAIN_MS;
        report(true);
        return;
      }
      if (lookAgainAt !== undefined) {
        log.info('the NATS server has JetStream now, so controllers compete for the lease');
        lookAgainAt = undefined;
        report(false);
      }
      const value = Buffer.from(owner);
      const askedAt = clock.now();
      if (unconfirmed) {
        const entry = await store.get(KEY);
        revision = entry && Buffer.from(entry.value).equals(value) ? entry.revision : undefined;
      }
      unconfirmed = true;
      revision = revision === undefined ? await store.create(KEY, value) : await store.update(KEY, value, revision);
      unconfirmed = false;
      // Counted from our request, because the server cannot have started counting before that.
      if (revision !== undefined) validUntil = askedAt + ttlMs;
      complaint = '';
    };

    const check = (): void => {
      if (lookAgainAt === undefined && clock.now() >= validUntil && held !== undefined) report(false);
      if (asking || clock.now() < (lookAgainAt ?? 0)) return;
      asking = true;
      attempt()
        .catch((error) => {
          // Our connection closes when we leave; that is no failure.
          if (subscriber.closed) return;
          if (messageOf(error) !== complaint) log.warn({ reason: messageOf(error) }, 'cannot reach the lease store');
          complaint = messageOf(error);
          // The store may come back empty, so it has to be opened again.
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
        store.delete(KEY).catch((error) => log.info({ reason: messageOf(error) }, 'could not release the lease; it will expire'));
    };
  });
}
