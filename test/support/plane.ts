import { NEVER, Observable, of, Subject, startWith } from 'rxjs';
import { gearControllerActor } from '../../actors/controller/gear-controller.ts';
import { type PlanKeeperOptions, planKeeperActor } from '../../actors/controller/plan-keeper.ts';
import { type DeviceOptions, deviceActor } from '../../actors/device/device.ts';
import { type FrontendOptions, frontendActor } from '../../actors/frontend/frontend.ts';
import { loadEstimatorActor } from '../../actors/frontend/load-estimator.ts';
import { type SupervisedActor, startActor } from '../../engine/actor/actor.ts';
import type { Backend, BatchOutput } from '../../engine/backend/backend.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import type { Clock } from '../../engine/clock.ts';
import { CascadeError } from '../../engine/errors.ts';
import { silentLogger } from '../../engine/log.ts';
import type { Sample, TensorSpec } from '../../engine/tensor/tensor.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { compilePlan } from '../../plans/policy/compiled-plan.ts';
import { DEFAULT_GEAR_RULE, type GearRule } from '../../plans/policy/gear-choice.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { Unserved } from '../../plans/protocol/unserved.ts';
import { judgedBy } from './judges.ts';
import { type TestWeights, testWeights } from './test-weights.ts';

/** Bytes of a test sample: the label, then each model's certainty in percent, or a code that makes the model fail. */
export type TestSample = readonly number[];
export const POISON = 255;
/** The model blames the sample if it is alone in its batch. */
export const UNFIT = 254;

/** A backend that only waits: the sample itself contains each model's answer. Other weights of a model give the other label. */
export function scriptedBackend(
  clock: Clock,
  models: readonly string[],
  batchMs: (model: number, size: number) => number,
): Backend {
  return {
    emulated: true,
    load: () => of({ inputs: [], outputs: [] }),
    unload: () => of(),
    close: async () => undefined,
    run: (key: string, batch: readonly Sample[]) =>
      new Observable<BatchOutput>((subscriber) => {
        const [name, otherWeights] = key.split('@');
        const model = models.indexOf(name);
        const ms = batchMs(model, batch.length);
        return clock.after(ms, () => {
          const values = batch.map((sample) => ({ label: sample[0].data[0], certainty: sample[0].data[1 + model] }));
          if (values.some(({ certainty }) => certainty === POISON)) {
            subscriber.error(new CascadeError('INTERNAL', `${name} cannot read a sample`));
            return;
          }
          if (values.some(({ certainty }) => certainty === UNFIT)) {
            subscriber.error(new CascadeError(batch.length === 1 ? 'INVALID_ARGUMENT' : 'INTERNAL', `${name}: beyond its words`));
            return;
          }
          const scores = values.flatMap(({ label, certainty }) => {
            const top = (1 + certainty / 100) / 2;
            return (label === 0) === (otherWeights === undefined) ? [top, 1 - top] : [1 - top, top];
          });
          subscriber.next({ scores: Float32Array.from(scores), classes: 2, auxiliary: undefined, computeMs: ms });
          subscriber.complete();
        });
      }),
  };
}

export interface PlaneOptions {
  readonly frontends?: number;
  /** Default: one input `x` of uint8, a TestSample. */
  readonly specs?: readonly TensorSpec[];
  readonly batchMs?: (model: number, size: number) => number;
  readonly frontend?: Partial<FrontendOptions>;
  readonly device?: Partial<DeviceOptions> | ((device: string) => Partial<DeviceOptions>);
  /** See `testWeights`. */
  readonly weights?: TestWeights | ((device: string) => TestWeights);
  /** Devices of the deployment; default: those of the plan. */
  readonly devices?: readonly string[];
  readonly keeper?: Partial<PlanKeeperOptions>;
  /** Default: `scriptedBackend`. */
  readonly createBackend?: (device: string) => Backend;
  readonly rule?: GearRule;
  /** Called before each device is started, and once more before the rest; time may pass meanwhile. */
  readonly beforeStart?: (startedDevices: number) => void;
  /** Bus and clock of a device that should not share those of the others. */
  readonly systemOf?: (device: string, bus: Bus, clock: Clock) => { readonly bus: Bus; readonly clock: Clock };
}

export interface Plane {
  readonly devices: ReadonlyMap<string, SupervisedActor>;
  readonly frontends: readonly SupervisedActor[];
  readonly controller: SupervisedActor;
  readonly keeper: SupervisedActor;
}

/** Starts the real actors of deployment `test` with scripted backends on any bus and clock. The input is `x`: a TestSample. */
export function startPlane(bus: Bus, clock: Clock, plan: GearPlan, options: PlaneOptions = {}): Plane {
  const subjects = subjectsOf('test');
  const deviceNames = options.devices ?? plan.devices;
  const start = { revision: 1, plan: compilePlan(plan, deviceNames) };
  const specs = options.specs ?? [{ name: 'x', dtype: 'uint8', shape: [1 + plan.models.length], pad: 0 } as const];
  const batchMs = options.batchMs ?? ((model: number, size: number) => (model + 1) * size);
  const system = { bus, clock, log: silentLogger };
  const devices = new Map(
    deviceNames.map((device, number) => {
      options.beforeStart?.(number);
      const own = options.systemOf?.(device, bus, clock) ?? system;
      const actor = startActor(
        deviceActor({
          device,
          host: 'local',
          subjects,
          plan: start,
          specs,
          warmUp: [],
          weightsOf: testWeights(batchMs, typeof options.weights === 'function' ? options.weights(device) : options.weights),
          models: plan.models,
          classes: undefined,
          memoryBytes: Number.POSITIVE_INFINITY,
          judge: judgedBy('margin', 'probabilities'),
          createBackend: () => options.createBackend?.(device) ?? scriptedBackend(own.clock, plan.models, batchMs),
          loopDelayMsP99: () => 0,
          onHung: () => undefined,
          ...(typeof options.device === 'function' ? options.device(device) : options.device),
        }),
        { ...system, ...own },
      );
      return [device, actor] as const;
    }),
  );
  options.beforeStart?.(deviceNames.length);
  const rule = options.rule ?? DEFAULT_GEAR_RULE;
  const leading$ = NEVER.pipe(startWith(true));
  const controller = startActor(gearControllerActor({ subjects, plan: start, rule, leading$ }), system);
  const keeper = startActor(
    planKeeperActor({
      subjects,
      bucket: 'plans',
      start: { revision: 1, plan },
      wanted: plan,
      check: () => [],
      leading$,
      prepareTimeoutMs: 10_000,
      ...options.keeper,
    }),
    system,
  );
  const frontends = Array.from({ length: options.frontends ?? 1 }, (_, i) => {
    const arrivals$ = new Subject<number>();
    const unserved = new Unserved();
    const name = `f${i}`;
    startActor(loadEstimatorActor({ frontend: name, subjects, arrivals$, unserved }), system);
    return startActor(
      frontendActor({
        name,
        subjects,
        plan: start,
        specs,
        largestBatch: 8,
        deadlineMs: 30_000,
        arrivals$,
        unserved,
        ...options.frontend,
      }),
      system,
    );
  });
  return { devices, frontends, controller, keeper };
}
