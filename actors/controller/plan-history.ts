import { createHash } from 'node:crypto';
import type { Bus } from '../../engine/bus/bus.ts';
import type { KeyValueOptions, KeyValueStore } from '../../engine/bus/key-value.ts';
import { createLocalKeyValue } from '../../engine/bus/local-key-value.ts';
import type { Clock } from '../../engine/clock.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { parsePlan } from '../../plans/domain/gear-plan/plan-file.ts';
import { countUp, numberIn, writeNumber } from './count-up.ts';

/** A plan with its number in the deployment's history. */
export interface Revision {
  readonly revision: number;
  readonly plan: GearPlan;
}

const CURRENT = 'current';
const LAST = 'last';

/**
 * All plans of a deployment by revision, in the deployment's key-value bucket. The keys: `plan.<n>`; `current`, the revision in force;
 * `before.<n>`, the one that was in force before revision n; `last`, the highest revision used so far; and `digest.<sha256>`, the revision
 * of the plan with that content. In memory when the server has no JetStream.
 */
export class PlanHistory {
  readonly #store: KeyValueStore;
  readonly #bucket: string;
  readonly isInMemory: boolean;

  private constructor(store: KeyValueStore, bucket: string, isInMemory: boolean) {
    this.#store = store;
    this.#bucket = bucket;
    this.isInMemory = isInMemory;
  }

  /**
   * @param before an earlier history of this process, which goes on if it is in memory and there is still no JetStream.
   * @throws CascadeError UNAVAILABLE when the store cannot be reached.
   */
  static async open(
    bus: Bus,
    clock: Clock,
    bucket: string,
    { before, ...options }: KeyValueOptions & { readonly before?: PlanHistory | undefined } = {},
  ): Promise<PlanHistory> {
    const store = await bus.keyValue(bucket, options);
    if (store !== undefined) return new PlanHistory(store, bucket, false);
    return before?.isInMemory ? before : new PlanHistory(createLocalKeyValue(clock, {}), bucket, true);
  }

  /** Revision in force; undefined when there has been none yet, or the entry is damaged. */
  async currentRevision(): Promise<number | undefined> {
    const entry = await this.#store.get(CURRENT);
    return entry && numberIn(entry);
  }

  /** The revision that was in force before another, which need not be the next lower one: rejected plans have revisions, too. */
  async revisionBefore(revision: number): Promise<number> {
    const entry = await this.#store.get(beforeKey(revision));
    return (entry && numberIn(entry)) ?? revision - 1;
  }

  /** @throws ConfigError when the stored value is not a plan of this version. */
  async get(revision: number): Promise<Revision | undefined> {
    const key = `plan.${revision}`;
    const entry = await this.#store.get(key);
    return entry && { revision, plan: parsePlan(textOf(entry.value), `${this.#bucket}: ${key}`) };
  }

  /** @throws ConfigError when the stored value is not a plan of this version. */
  async current(): Promise<Revision | undefined> {
    const revision = await this.currentRevision();
    return revision === undefined ? undefined : this.get(revision);
  }

  /** Whether a plan with the same content has ever been in force. */
  async knows(plan: GearPlan): Promise<boolean> {
    return (await this.#store.get(digestKey(plan))) !== undefined;
  }

  /** Records that a plan has been in force. */
  async note({ revision, plan }: Revision): Promise<void> {
    await this.#store.put(digestKey(plan), bytesOf(String(revision)));
  }

  async keep({ revision, plan }: Revision): Promise<void> {
    await this.#store.put(`plan.${revision}`, bytesOf(JSON.stringify(plan)));
  }

  /**
   * An unused revision above `highest`. Revisions of aborted plans are not reused, because a process that received one would confuse the
   * two plans. Two controllers never get the same revision.
   */
  nextRevision(highest: number): Promise<number> {
    return countUp(this.#store, LAST, highest);
  }

  /**
   * Puts a stored plan in force. Call it again if it throws: the plan may be in force, because only the confirmation was lost.
   * @returns false when a later plan is in force.
   * @throws CascadeError UNAVAILABLE when the store cannot be reached.
   */
  async adopt({ revision, plan }: Revision): Promise<boolean> {
    for (;;) {
      const entry = await this.#store.get(CURRENT);
      const inForce = (entry && numberIn(entry)) ?? 0;
      if (inForce > revision) return false;
      if (inForce === revision) break;
      // Written first: once the plan is in force, it can be rolled back.
      if (inForce > 0) await this.#store.put(beforeKey(revision), bytesOf(String(inForce)));
      if (await writeNumber(this.#store, CURRENT, revision, entry?.revision)) break;
    }
    await this.note({ revision, plan });
    return true;
  }
}

function beforeKey(revision: number): string {
  return `before.${revision}`;
}

function digestKey(plan: GearPlan): string {
  return `digest.${createHash('sha256').update(JSON.stringify(plan)).digest('hex')}`;
}

function textOf(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.length).toString();
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text);
}
