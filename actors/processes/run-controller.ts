import { type RunningActor, startActor } from '../../engine/actor/actor.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { realClock } from '../../engine/clock.ts';
import { gearControllerActor } from '../gear-controller.ts';
import { statusActor } from '../status.ts';
import { liveUntilStopped, tellReady } from './life.ts';
import { connectSetting, type Setting } from './setting.ts';

export function startController({ subjects, compiled, revision, deployment, plan, log }: Setting, bus: Bus): RunningActor[] {
  const system = { bus, clock: realClock, log };
  return [
    startActor(gearControllerActor({ subjects, plan: compiled, revision, rule: deployment.gearRule }), system),
    startActor(statusActor({ deployment: deployment.name, subjects, plan, revision }), system),
  ];
}

export async function runController(setting: Setting): Promise<void> {
  const bus = await connectSetting(setting, 'controller');
  const actors = startController(setting, bus);
  tellReady();
  await liveUntilStopped(actors, bus, setting.log);
}
