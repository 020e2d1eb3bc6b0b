import {
  catchError,
  concatMap,
  defaultIfEmpty,
  defer,
  EMPTY,
  finalize,
  from,
  map,
  merge,
  type Observable,
  of,
  Subject,
} from 'rxjs';
import type { ActorContext } from '../../engine/actor/actor.ts';
import { Channels } from '../../engine/actor/channel.ts';
import { every } from '../../engine/clock.ts';
import { CascadeError, messageOf, WeightsMissingError } from '../../engine/errors.ts';
import type { CompiledPlan } from '../../plans/policy/compiled-plan.ts';
import { ABORT, PREPARE } from '../../plans/protocol/channels.ts';
import type { PlanVerdict, PrepareMessage } from '../../plans/protocol/control-messages.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';
import { revisedPlan } from '../controller/revised-plan.ts';
import type { Router } from '../frontend/router.ts';
import type { Replicas } from './replicas.ts';
import type { DeviceWeights, WeightsOf } from './weights/device-weights.ts';

/** A replica that the plan in force does not use is kept this long for processes that do not know yet. */
const UNLOAD_AFTER_MS = 2_000;
/** What the plan in force places here is tried again, because somebody may have put missing weights back. This reads whole files. */
const LOOK_AGAIN_MS = 15_000;

export interface ReplicaChangesOptions {
  readonly device: string;
  readonly subjects: Subjects;
  readonly router: Router;
  readonly replicas: Replicas;
  readonly weightsOf: WeightsOf;
  /** Whether requests wait for a model here. */
  readonly hasWork: (model: number) => boolean;
}

/** A plan's replicas are loaded here, or cannot be because of `problem`. */
export interface Prepared {
  readonly revision: number;
  readonly problem: string | undefined;
}

/**
 * A device's part in plan changes: loads what a new plan places here alongside what is loaded, including other weights of the same models,
 * and unloads what no plan needs here any more, one by one.
 */
export class ReplicaChanges {
  readonly #options: ReplicaChangesOptions;
  readonly #context: ActorContext;
  /** Number of this device in all plans. */
  readonly #number: number;
  /** What the plan in preparation places here; kept although the plan in force does not use it. */
  #prepared: { readonly revision: number; readonly weights: readonly DeviceWeights[] } | undefined;
  readonly #committed$ = new Subject<void>();
  /** Key of weights -> when they were last placed here by the plan in force, or had work. */
  readonly #neededAt = new Map<string, number>();
  #underWay = false;

  constructor(options: ReplicaChangesOptions, context: ActorContext) {
    this.#options = options;
    this.#context = context;
    this.#number = options.router.devices.indexOf(options.device);
  }

  /** Replicas are being loaded or unloaded; an inference may have to wait for that. */
  get underWay(): boolean {
    return this.#underWay;
  }

  /**
   * Loads what the initial plan places here. Unavailable weights are left out (see `missing`): other devices may have them, and a plan with
   * available weights may still come.
   */
  begin(): Observable<never> {
    return defer(() => from(this.#placedBy(this.#options.router.plan))).pipe(concatMap((weights) => this.#loadIfThere(weights)));
  }

  /** Model -> why the weights that the plan in force places here are unavailable. */
  get missing(): ReadonlyMap<string, string> {
    const { router, replicas } = this.#options;
    const reasons = this.#placedBy(router.plan).map((weights) => [weights.model, replicas.whyMissing(weights)] as const);
    return new Map(reasons.filter((each): each is [string, string] => each[1] !== undefined));
  }

  /** Whether a replica of these weights is here. */
  has(weights: DeviceWeights): boolean {
    return this.#options.replicas.has(weights);
  }

  /** Whether a replica of the plan in preparation is loaded here. */
  hasPrepared(model: string): boolean {
    return this.#prepared?.weights.some((weights) => weights.model === model && this.has(weights)) ?? false;
  }

  /** Another plan is in force: normally the prepared one, but we may have missed that one's preparation, or an earlier commit. */
  committed(): void {
    if (this.#prepared?.revision === this.#options.router.revision) this.#prepared = undefined;
    this.#committed$.next();
  }

  run(): Observable<Prepared> {
    const { clock } = this.#context;
    const channels = new Channels(this.#options.subjects.root, this.#context);
    return merge(
      channels.receive$(PREPARE).pipe(map((message): Observable<Prepared> => this.#prepare(message))),
      channels.receive$(ABORT).pipe(map((verdict) => this.#abort(verdict))),
      every(clock, UNLOAD_AFTER_MS).pipe(map(() => this.#unloadUnused())),
      merge(this.#committed$, every(clock, LOOK_AGAIN_MS)).pipe(map(() => this.#lookAgain())),
    ).pipe(concatMap((change$) => this.#watched(change$)));
  }

  /** What a plan places here. */
  #placedBy(plan: CompiledPlan): DeviceWeights[] {
    const { devices, placed } = plan;
    return this.#options.weightsOf(plan).filter((_, model) => placed[model * devices.length + this.#number] === 1);
  }

  #loadIfThere(weights: DeviceWeights): Observable<never> {
    return this.#options.replicas.load([weights]).pipe(
      catchError((error) => {
        if (error instanceof WeightsMissingError) return EMPTY;
        throw error;
      }),
    );
  }

  /** Loads what the plan in force places here and is not loaded. */
  #lookAgain(): Observable<never> {
    const load = (weights: DeviceWeights): Observable<never> =>
      this.#loadIfThere(weights).pipe(
        catchError((error) => {
          if (error instanceof CascadeError && error.code === 'UNAVAILABLE') throw error;
          const reason = messageOf(error);
          this.#context.log.warn({ model: weights.model, reason }, 'cannot load a model of the plan in force; still trying');
          return EMPTY;
        }),
      );
    return defer(() => from(this.#placedBy(this.#options.router.plan))).pipe(concatMap(load));
  }

  /** Reports whether everything the plan needs here could be loaded. The plan itself is known at once. */
  #prepare(message: PrepareMessage): Observable<Prepared> {
    const { revision } = message;
    const { router, replicas } = this.#options;
    return defer(() => {
      const revised = revisedPlan(message, router);
      router.learn(revised);
      const weights = this.#placedBy(revised.plan);
      // The plan in force is announced again while another is prepared, for processes that missed it.
      if (revision !== router.revision) this.#prepared = { revision, weights };
      return replicas.load(weights);
    }).pipe(
      catchError((error) => {
        if (error instanceof CascadeError && error.code === 'UNAVAILABLE') throw error;
        this.#forget(revision);
        return of(messageOf(error));
      }),
      defaultIfEmpty(undefined),
      map((problem) => ({ revision, problem })),
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
    if (this.#prepared?.revision === revision) this.#prepared = undefined;
  }

  /** Unloads replicas that neither the plan in force nor one in preparation needs, once nobody can be sending them work. */
  #unloadUnused(): Observable<never> {
    const { router, replicas, weightsOf, hasWork } = this.#options;
    return defer(() => {
      const now = this.#context.clock.now();
      const needed = new Set([...this.#placedBy(router.plan), ...(this.#prepared?.weights ?? [])].map(({ key }) => key));
      // Queued work is only computed with the weights in force.
      weightsOf(router.plan).forEach(({ key }, model) => {
        if (hasWork(model)) needed.add(key);
      });
      const unused = replicas.ready.filter(({ key }) => {
        if (needed.has(key)) this.#neededAt.set(key, now);
        return now - (this.#neededAt.get(key) ?? 0) > UNLOAD_AFTER_MS;
      });
      for (const { key } of unused) this.#neededAt.delete(key);
      return from(unused).pipe(concatMap((weights) => replicas.unload(weights)));
    });
  }

  #watched<T>(change$: Observable<T>): Observable<T> {
    return defer(() => {
      this.#underWay = true;
      return change$;
    }).pipe(finalize(() => (this.#underWay = false)));
  }
}
