import { catchError, concatMap, defaultIfEmpty, defer, EMPTY, finalize, from, map, merge, type Observable, of } from 'rxjs';
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
/** Missing weights are looked for again, because somebody may have put them back. This reads whole files. */
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
  /** What a plan in preparation places here; kept although the plan in force does not use it. */
  #prepared: readonly DeviceWeights[] = [];
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
    return this.#loadWhatThereIs(() => this.#placedBy(this.#options.router.plan));
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
    return this.#prepared.some((weights) => weights.model === model && this.#options.replicas.has(weights));
  }

  /** The prepared plan is now in force. */
  committed(): void {
    this.#prepared = [];
  }

  run(): Observable<Prepared> {
    const { clock } = this.#context;
    const channels = new Channels(this.#options.subjects.root, this.#context);
    return merge(
      channels.receive$(PREPARE).pipe(map((message): Observable<Prepared> => this.#prepare(message))),
      channels.receive$(ABORT).pipe(map((verdict) => this.#abort(verdict))),
      every(clock, UNLOAD_AFTER_MS).pipe(map(() => this.#unloadUnused())),
      every(clock, LOOK_AGAIN_MS).pipe(map(() => this.#lookAgain())),
    ).pipe(concatMap((change$) => this.#watched(change$)));
  }

  /** What a plan places here. */
  #placedBy(plan: CompiledPlan): DeviceWeights[] {
    const { devices, placed } = plan;
    return this.#options.weightsOf(plan).filter((_, model) => placed[model * devices.length + this.#number] === 1);
  }

  #loadWhatThereIs(wanted: () => readonly DeviceWeights[]): Observable<never> {
    const load = (weights: DeviceWeights): Observable<never> =>
      this.#options.replicas.load([weights]).pipe(
        catchError((error) => {
          if (error instanceof WeightsMissingError) return EMPTY;
          throw error;
        }),
      );
    return defer(() => from(wanted())).pipe(concatMap(load));
  }

  #lookAgain(): Observable<never> {
    const { router, replicas } = this.#options;
    return this.#loadWhatThereIs(() =>
      this.#placedBy(router.plan).filter((weights) => replicas.whyMissing(weights) !== undefined),
    ).pipe(
      catchError((error) => {
        if (error instanceof CascadeError && error.code === 'UNAVAILABLE') throw error;
        this.#context.log.warn({ reason: messageOf(error) }, 'weights that were missing are back, but cannot be loaded');
        return EMPTY;
      }),
    );
  }

  /** Reports whether everything the plan needs here could be loaded. The plan itself is known at once. */
  #prepare(message: PrepareMessage): Observable<Prepared> {
    const { revision } = message;
    const { router, replicas } = this.#options;
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
    this.#prepared = [];
  }

  /** Unloads replicas that neither the plan in force nor one in preparation needs, once nobody can be sending them work. */
  #unloadUnused(): Observable<never> {
    const { router, replicas, weightsOf, hasWork } = this.#options;
    return defer(() => {
      const now = this.#context.clock.now();
      const needed = new Set([...this.#placedBy(router.plan), ...this.#prepared].map(({ key }) => key));
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
