import { monitorEventLoopDelay } from 'node:perf_hooks';
import { startActor } from '../../engine/actor/actor.ts';
import type { Backend } from '../../engine/backend/backend.ts';
import { createOnnxBackend } from '../../engine/backend/onnx-backend.ts';
import { realClock } from '../../engine/clock.ts';
import { ConfigError } from '../../engine/errors.ts';
import { batchCertainty } from '../../plans/certainty.ts';
import { type Device, deviceClass } from '../../plans/deployment.ts';
import { runtimeMs } from '../../plans/profile.ts';
import { deviceActor } from '../device.ts';
import { liveUntilStopped, tellReady } from './life.ts';
import { connectSetting, type Setting } from './setting.ts';

const LOOP_DELAY_RESOLUTION_MS = 1;

/** The process of one device; its parent has pinned it to the device's cores. */
export async function runDevice(setting: Setting, id: string): Promise<void> {
  const { deployment, profile, subjects, compiled, log } = setting;
  const device = deployment.devices.find((known) => known.id === id);
  if (device === undefined)
    throw new ConfigError(`--device ${id}: the deployment has ${deployment.devices.map((known) => known.id).join(', ')}`);
  const kind = deviceClass(device);
  const curves = profile.models.map((model) => {
    const curve = model.runtimes[kind];
    if (curve === undefined)
      throw new ConfigError(`the profile has no runtimes of ${model.name} on ${kind}; run \`cascade profile\` again`);
    return curve;
  });
  const bus = await connectSetting(setting, `device-${id}`);
  const loopDelay = monitorEventLoopDelay({ resolution: LOOP_DELAY_RESOLUTION_MS });
  loopDelay.enable();
  const actor = startActor(
    deviceActor({
      device: id,
      host: device.host,
      subjects,
      plan: compiled,
      specs: profile.inputs,
      files: deployment.models,
      profiled: curves,
      singleMs: curves.map((curve) => runtimeMs(curve, 1)),
      models: compiled.models,
      classes: deployment.classes,
      revision: setting.revision,
      certainty: batchCertainty(deployment.certainty, deployment.scores),
      createBackend: () => backendOf(setting, device),
      loopDelayMsP99: () => {
        // The histogram counts from one resolution step on: what is above it is delay.
        const p99 = Math.max(0, loopDelay.percentile(99) / 1e6 - LOOP_DELAY_RESOLUTION_MS);
        loopDelay.reset();
        return Number.isFinite(p99) ? p99 : 0;
      },
      onReady: tellReady,
    }),
    { bus, clock: realClock, log },
  );
  await liveUntilStopped([actor], bus, log);
}

function backendOf({ deployment, profile }: Setting, device: Device): Backend {
  if (device.kind === 'emulated') throw new ConfigError(`device ${device.id}: emulated devices cannot be served yet`);
  return createOnnxBackend({
    ...(device.kind === 'cuda'
      ? { kind: 'cuda', deviceId: device.deviceId }
      : { kind: 'cpu', threads: device.cores?.length ?? 1 }),
    inputs: deployment.inputs,
    specs: profile.inputs,
    certaintyOutput: typeof deployment.certainty === 'string' ? undefined : deployment.certainty.output,
  });
}
