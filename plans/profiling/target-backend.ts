import type { Backend } from '../../engine/backend/backend.ts';
import { createOnnxBackend, type OnnxDevice } from '../../engine/backend/onnx-backend.ts';
import { createRemoteBackend } from '../../engine/backend/remote-backend.ts';
import { realClock } from '../../engine/clock.ts';
import type { TensorSpec } from '../../engine/tensor/tensor.ts';
import type { Deployment, RemoteDevice } from '../domain/deployment/deployment.ts';
import { openRemote } from '../domain/deployment/open-remote.ts';
import { auxiliaryOf } from '../domain/task/task-of.ts';

/** A device that models can be measured or tried on, real or remote but not emulated. */
export type TargetDevice = OnnxDevice | RemoteDevice;

/**
 * The backend that serves on such a device.
 * @param onWaiting called while the server of a remote device cannot be used.
 */
export function targetBackend(
  deployment: Deployment,
  device: TargetDevice,
  specs: readonly TensorSpec[],
  onWaiting?: (model: string, reason: string) => void,
): Backend {
  const { inputs } = deployment;
  const auxiliary = auxiliaryOf(deployment);
  if (device.kind !== 'remote') return createOnnxBackend({ ...device, inputs, specs, auxiliary });
  const { url, inFlight, timeoutMs } = device;
  return createRemoteBackend({
    client: openRemote(device),
    clock: realClock,
    url,
    inFlight,
    timeoutMs,
    inputs,
    specs,
    auxiliary,
    ...(onWaiting && { onWaiting }),
  });
}
