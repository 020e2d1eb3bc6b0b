import {
  catchError,
  concatMap,
  defaultIfEmpty,
  defer,
  EMPTY,
  finalize,
  from,
  ignoreElements,
  map,
  merge,
  type Observable,
  of,
  tap,
} from 'rxjs';
import type { ActorContext } from '../../engine/actor/actor.ts';
import { decoded } from '../../engine/actor/drops.ts';
import { every } from '../../engine/clock.ts';
import { CascadeError, messageOf } from '../../engine/errors.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import type { CompiledPlan } from '../../plans/policy/compiled-plan.ts';
import { decodeVerdict } from '../../plans/protocol/internal.ts';
import type { PlanVerdict, PrepareMessage } from '../../plans/protocol/messages.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';
import { decodePrepare, revisedPlan } from '../controller/prepare-message.ts';
import type { Router } from '../frontend/router.ts';
import type { Replicas } from './replicas.ts';

/** A replica that the plan in force does not use is kept for those who have not heard of it yet. */
const UNLOAD_AFTER_MS = 2_000;

export interface ReplicaChangesOptions {
  readonly device: string;
  readonly subjects: Subjects;
  readonly router: Router;
  readonly replicas: Replicas;
  /** Whether requests wait for a model here. */
  readonly hasWork: (model: number) => boolean;
  /** Called when what a plan to come places here is loaded, or with the reason when it cannot be. */
  readonly onPrepared: (revision: number, problem: string | undefined) => void;
}

/**
 * A device's part in plan changes: loads what a plan to come places here beside what is here, and unloads what no plan
 * has here any more, one after the other.
 */
export class ReplicaChanges {
  readonly #options: ReplicaChangesOptions;
  readonly #context: ActorContext;
  /** Number of this device in all plans. */
  readonly #number: number;
  /** Models of a plan that is being prepared, to be kept although the one in force does not use them. */
  #prepared: readonly number[] = [];
  /** Per model: when its replica was last placed here by the plan in force, or had work. */
  readonly #neededAt: number[];
  #underWay = false;

  constructor(options: ReplicaChangesOptions, context: ActorContext) {
    this.#options = options;
    this.#context = context;
    this.#number = options.router.devices.indexOf(options.device);
    this.#neededAt = options.router.models.map(() => 0);
  }

  /** Replicas are being loaded or unloaded; an inference may have to wait for that. */
  get underWay(): boolean {
    return this.#underWay;
  }

  /** Loads what the plan to begin with places here. */
  begin(): Observable<never> {
    return defer(() => this.#options.replicas.load(this.#placedBy(this.#options.router.plan)));
  }

  /** The plan that was to come is in force. */
  committed(): void {
    this.#prepared = [];
  }

  run(): Observable<never> {
    const { bus, clock, drops } = this.#context;
    const { subjects } = this.#options;
    return merge(
      bus.messages$(subjects.prepare).pipe(
        decoded(decodePrepare, drops),
        map((message) => this.#prepare(message)),
      ),
      bus.messages$(subjects.abort).pipe(
        decoded(decodeVerdict, drops),
        map((verdict) => this.#abort(verdict)),
      ),
      every(clock, UNLOAD_AFTER_MS).pipe(map(() => this.#unloadUnused())),
    ).pipe(concatMap((change$) => this.#watched(change$)));
  }

  /** Models of which a plan places a replica here. */
  #placedBy({ models, devices, placed }: CompiledPlan): number[] {
    return models.flatMap((_, model) => (placed[model * devices.length + this.#number] === 1 ? [model] : []));
  }

  /** Says whether what the plan wants here could be loaded. Known is the plan at once. */
  #prepare(message: PrepareMessage<GearPlan>): Observable<never> {
    const { revision } = message;
    const { router, replicas, onPrepared } = this.#options;
    return defer(() => {
      const revised = revisedPlan(message, router);
      router.learn(revised);
      this.#prepared = this.#placedBy(revised.plan);
      return replicas.load(this.#prepared);
    }).pipe(
      catchError((error) => {
        if (error instanceof CascadeError && error.code === 'UNAVAILABLE') throw error;
        this.#forget(revision);
        return of(messageOf(error));
      }),
      defaultIfEmpty(undefined),
      tap((problem) => onPrepared(revision, problem)),
      ignoreElements(),
    );
  }

  #abort({ revision }: PlanVerdict): Observable<never> {
    return defer(() => {
      this.#forget(revision);
      return EMPTY;
    });
  }

  #forget(revision: number): void {
    this.#options.router.forget(revision);
    this.#prepared = [];
  }

  /** Unloads replicas that no plan in force or to come has here, once nobody can be sending them work any more. */
  #unloadUnused(): Observable<never> {
    const { router, replicas, hasWork } = this.#options;
    return defer(() => {
      const now = this.#context.clock.now();
      const needed = new Set([...this.#placedBy(router.plan), ...this.#prepared]);
      const unused = replicas.ready.filter((model) => {
        if (needed.has(model) || hasWork(model)) this.#neededAt[model] = now;
        return now - this.#neededAt[model] > UNLOAD_AFTER_MS;
      });
      return from(unused).pipe(concatMap((model) => replicas.unload(model)));
    });
  }

  #watched(change$: Observable<never>): Observable<never> {
    return defer(() => {
      this.#underWay = true;
      return change$;
    }).pipe(finalize(() => (this.#underWay = false)));
  }
}
