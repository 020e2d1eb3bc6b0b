import { defer } from 'rxjs';
import type { Backend } from '../../engine/backend/backend.ts';
import { createRandom } from '../../engine/random.ts';
import { accuracyOf } from '../../plans/domain/profile/profile.ts';
import { certaintyEdges } from '../../plans/drift/certainty-bins.ts';
import { compilePlan } from '../../plans/policy/compiled-plan.ts';
import { backlogFromMs, LOAD_INTERVAL_MS } from '../../plans/policy/gear-choice.ts';
import { decode, encode } from '../../plans/protocol/codec.ts';
import type { GearMessage } from '../../plans/protocol/control-messages.ts';
import { isFailure } from '../../plans/protocol/messages.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { REJECTED } from '../../plans/simulator/outcomes.ts';
import { simulatedSystem } from '../../plans/simulator/simulated-system.ts';
import { Simulator } from '../../plans/simulator/simulator.ts';
import { slowdownAt } from '../../plans/simulator/slowdown.ts';
import { VirtualClock } from '../doubles/virtual-clock.ts';
import { emulatedDevice, numberOf } from './emulated-device.ts';
import { judgedBy } from './judges.ts';
import type { ParityCase } from './parity-case.ts';
import { startVirtualPlane } from './virtual-plane.ts';

/** The behaviour of a run, as seen by clients and devices. */
export interface ParityRun {
  /** Includes audits. */
  readonly batches: readonly { at: number; device: string; model: string; requests: readonly number[] }[];
  /** Gears that come into force, except the first. */
  readonly gears: readonly { at: number; gear: number }[];
  /** Per request. */
  readonly answers: readonly ({ model: string; latencyMs: number } | { refused: string })[];
  readonly endMs: number;
}

export function simulatedRun({
  profile,
  devices,
  plan,
  rule,
  heartbeatPhasesMs,
  deadlineMs,
  slowdowns,
  audit,
  arrivalsMs,
}: ParityCase): ParityRun {
  const batches: ParityRun['batches'][number][] = [];
  const gears: ParityRun['gears'][number][] = [];
  const outcomes = new Simulator(simulatedSystem(profile, devices, [])).run(
    compilePlan(plan),
    { arrivalsMs, sampleOrder: Int32Array.from(arrivalsMs, (_, i) => i), seconds: 1 },
    {
      rule,
      heartbeatPhasesMs,
      deadlineMs,
      slowdowns,
      audit: audit && { settings: audit.settings, random: createRandom(audit.seed) },
      observer: {
        batch: (at, model, device, requests) =>
          batches.push({ at, device: plan.devices[device], model: plan.models[model], requests }),
        gear: (at, gear) => gears.push({ at, gear }),
      },
    },
  );
  const answers = Array.from(outcomes.latencyMs, (latencyMs, i) => {
    const by = outcomes.answeredBy[i];
    if (by >= 0) return { model: plan.models[by], latencyMs };
    return { refused: by === REJECTED ? 'RESOURCE_EXHAUSTED' : 'DEADLINE_EXCEEDED' };
  });
  return { batches, gears, answers, endMs: outcomes.endMs };
}

/** Runs the real actors in virtual time, with devices started so that heartbeats come when the case says. */
export async function actorsRun(
  { profile, devices, plan, rule, heartbeatPhasesMs, deadlineMs, slowdowns, audit, arrivalsMs }: ParityCase,
  untilMs: number,
): Promise<ParityRun> {
  const clock = new VirtualClock();
  const batches: ParityRun['batches'][number][] = [];
  const gears: ParityRun['gears'][number][] = [];
  const plane = await startVirtualPlane(plan, {
    clock,
    rule,
    specs: profile.inputs,
    frontend: { deadlineMs: deadlineMs ?? 1e9 },
    device: (device) => ({
      judge: judgedBy({ output: 'recorded' }, 'logits'),
      urgentBacklogMs: backlogFromMs(rule),
      ...(audit && {
        audit: {
          settings: audit.settings,
          random: createRandom(audit.seed).split(device),
          agree: (a, b) => a.label === b.label,
        },
      }),
    }),
    weights: (device) => {
      const { deviceClass } = devices.find(({ id }) => id === device)!;
      return {
        profiled: profile.models.map(({ runtimes }) => runtimes[deviceClass]),
        accuracy: profile.models.map(accuracyOf),
        ...(audit && { certaintyEdges: profile.models.map(({ certainties }) => certaintyEdges(certainties)) }),
      };
    },
    createBackend: (device) => {
      const emulated = emulatedDevice(profile, devices.find(({ id }) => id === device)!.deviceClass, clock, {
        slowdown: () => slowdownAt(slowdowns, device, clock.now()),
      });
      // Keys of weights are `model@digest`.
      return watched(emulated, (key, requests) => batches.push({ at: clock.now(), device, model: key.split('@')[0], requests }));
    },
    beforeStart: (started) => clock.runUntil(started < devices.length ? heartbeatPhasesMs[started] : LOAD_INTERVAL_MS),
  });
  let inForce = 0;
  plane.bus.messages$(subjectsOf('test').gear).subscribe(({ data }) => {
    const { gear } = decode<GearMessage>(data);
    if (gear !== inForce) gears.push({ at: clock.now(), gear });
    inForce = gear;
  });
  arrivalsMs.forEach((at, i) => {
    clock.after(at - clock.now(), () =>
      plane.bus.publish(
        subjectsOf('test').infer,
        encode({ id: String(i), inputs: { sample: [i, ...new Array((profile.sizes?.size[i] ?? 1) - 1).fill(0)] } }),
        { reply: 'answers' },
      ),
    );
  });
  await plane.runUntil(untilMs);
  const answers: ParityRun['answers'][number][] = [];
  for (const { at, answer } of plane.answers) {
    answers[Number(answer.id)] = isFailure(answer)
      ? { refused: answer.error.code }
      : { model: answer.model, latencyMs: at - arrivalsMs[Number(answer.id)] };
  }
  return { batches, gears, answers, endMs: plane.answers[plane.answers.length - 1].at };
}

/** Relies on each request having its own sample. */
function watched(backend: Backend, onBatch: (key: string, requests: number[]) => void): Backend {
  return {
    emulated: backend.emulated,
    load: (file) => backend.load(file),
    unload: (name) => backend.unload(name),
    close: () => backend.close(),
    run: (name, batch) =>
      defer(() => {
        onBatch(name, batch.map(numberOf));
        return backend.run(name, batch);
      }),
  };
}
