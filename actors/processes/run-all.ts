import { type RunningActor, startActor } from '../../engine/actor/actor.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { realClock } from '../../engine/clock.ts';
import { ConfigError, messageOf } from '../../engine/errors.ts';
import { ProcessEnded } from '../../engine/process/child-process.ts';
import { entry } from '../../engine/source.ts';
import type { Device } from '../../plans/domain/deployment/deployment.ts';
import { misfitOf } from '../../plans/domain/deployment/message-size.ts';
import { EXIT_TAKEN, EXIT_USAGE } from '../commands/exit-codes.ts';
import { type HttpAddress, shownAddress } from '../http/address.ts';
import { claimEnvironment } from './claim.ts';
import { requireExclusiveDevices } from './exclusive-devices.ts';
import { askedToStop, DRAIN_MS, leave, MAX_FAILED_STARTS } from './life.ts';
import { natsEnvironment } from './nats-url.ts';
import { setPhase } from './phase.ts';
import { processActor } from './process-actor.ts';
import { requireWeights } from './require-weights.ts';
import { connectServing, type ServeOptions, type ServingContext } from './serving-context.ts';

/** A child drains within DRAIN_MS; after this, it counts as hung and is killed. */
const CHILD_GRACE_MS = DRAIN_MS + 5_000;
/** After this, report what `serve` is still waiting for. */
const STILL_WAITING_MS = 10_000;

export interface Parts {
  readonly controller: boolean;
  readonly devices: readonly Device[];
  readonly frontends: number;
  /** Where to serve metrics; undefined: nowhere. */
  readonly metrics: HttpAddress | undefined;
  /** Where to serve the dashboard; undefined: nowhere. */
  readonly dashboard: HttpAddress | undefined;
  /** Command-line options for the gateway's addresses; undefined: no gateway. */
  readonly gateway: readonly string[] | undefined;
}

/**
 * Runs parts of a deployment on this machine, with the controller and each device and frontend in its own process; emulated devices share
 * one, because they only wait. `onReady` is called when all are up; resolves when all have drained.
 */
export async function runParts(
  serving: ServingContext,
  deploymentPath: string,
  options: ServeOptions,
  parts: Parts,
  onReady: () => void,
): Promise<void> {
  const { log } = serving;
  const bus = await connectServing(serving, 'host');
  const asked = askedToStop();
  // One claim for all devices started here: they stay together, or leave together.
  const environment = { ...natsEnvironment(options.nats), ...claimEnvironment() };
  let onTaken: (error: ConfigError) => void = () => undefined;
  const taken = new Promise<ConfigError>((resolve) => {
    onTaken = resolve;
  });
  const running: RunningActor[][] = [];
  try {
    checkMessageSize(serving, bus);
    await requireWeights(serving, parts.devices, bus);
    const exclusive = requireExclusiveDevices(
      { bus, clock: realClock, log },
      serving.subjects,
      parts.devices.map(({ id }) => id),
    );
    let why: string | ConfigError | undefined = await Promise.race([exclusive.then(() => undefined), asked]);
    // Start frontends after devices, because they route only to ready ones, and the gateway last; stop in reverse order.
    for (const group of [
      [...controllerProcess(), ...deviceProcesses()],
      [...frontendProcesses(), ...observerProcesses()],
      gatewayProcess(),
    ]) {
      if (why !== undefined) break;
      const started = startProcesses(group, serving, bus, environment, onTaken);
      running.unshift(started.actors);
      const telling = setInterval(() => log.warn({ waitingFor: started.waitingFor() }, 'not ready yet'), STILL_WAITING_MS);
      try {
        why = await Promise.race([started.ready.then(() => undefined), asked, taken]);
      } finally {
        clearInterval(telling);
      }
    }
    if (why === undefined) {
      setPhase('ready');
      onReady();
    }
    why ??= await Promise.race([asked, taken]);
    log.info({ why: messageOf(why) }, 'draining');
    if (why instanceof ConfigError) throw why;
  } finally {
    for (const group of running) await Promise.all(group.map((actor) => actor.stop(CHILD_GRACE_MS)));
    await leave(bus);
  }

  function controllerProcess(): ProcessSpec[] {
    if (!parts.controller) return [];
    const args = roleArgs(deploymentPath, options, ['--role', 'controller']);
    return [{ name: 'controller', description: 'supervises the controller process', args }];
  }

  function deviceProcesses(): ProcessSpec[] {
    const emulated = parts.devices.filter(({ kind }) => kind === 'emulated');
    const groups = [...parts.devices.filter(({ kind }) => kind !== 'emulated').map((device) => [device]), emulated];
    return groups
      .filter((group) => group.length > 0)
      .map((group) => {
        const ids = group.map(({ id }) => id);
        return {
          name: ids.length === 1 ? `device-${ids[0]}` : 'devices',
          description: `supervises the process of ${ids.length === 1 ? 'device' : 'emulated devices'} ${ids.join(', ')}`,
          args: roleArgs(deploymentPath, options, ['--role', 'device', '--device', ids.join(',')]),
        };
      });
  }

  function observerProcesses(): ProcessSpec[] {
    return (['metrics', 'dashboard'] as const).flatMap((role) => {
      const address = parts[role];
      if (address === undefined) return [];
      const args = roleArgs(deploymentPath, options, ['--role', role, `--${role}`, shownAddress(address)]);
      return [{ name: role, description: `supervises the process that serves the ${role}`, args }];
    });
  }

  function gatewayProcess(): ProcessSpec[] {
    if (parts.gateway === undefined) return [];
    const args = roleArgs(deploymentPath, options, ['--role', 'gateway', ...parts.gateway]);
    return [{ name: 'gateway', description: 'supervises the gateway process', args }];
  }

  function frontendProcesses(): ProcessSpec[] {
    return Array.from({ length: parts.frontends }, (_, i) => ({
      name: `frontend-${i + 1}`,
      description: 'supervises a frontend process',
      args: roleArgs(deploymentPath, options, ['--role', 'frontend']),
    }));
  }
}

/** @throws ConfigError when the profiled samples do not fit into the server's messages. */
function checkMessageSize({ profile, log }: ServingContext, bus: Bus): void {
  const misfit = misfitOf(profile.warmUp, bus.maxPayloadBytes, 'the NATS server');
  if (misfit?.typical) throw new ConfigError(misfit.message);
  if (misfit !== undefined) log.warn(misfit.message);
}

interface ProcessSpec {
  readonly name: string;
  readonly description: string;
  readonly args: readonly string[];
}

function startProcesses(
  specs: readonly ProcessSpec[],
  { log }: ServingContext,
  bus: Bus,
  environment: Readonly<Record<string, string>>,
  onTaken: (error: ConfigError) => void,
): { actors: RunningActor[]; ready: Promise<unknown>; waitingFor(): string[] } {
  const actors: RunningActor[] = [];
  const waiting = new Set(specs.map(({ name }) => name));
  const ready = specs.map(
    (spec) =>
      new Promise<void>((resolve, reject) => {
        let failedStarts = 0;
        const actor = processActor({
          ...spec,
          environment,
          graceMs: CHILD_GRACE_MS,
          onReady: () => {
            waiting.delete(spec.name);
            resolve();
          },
          // Once it has been ready, rejecting has no effect: it is restarted for ever.
          onEnded: (error) => {
            if (error instanceof ProcessEnded && error.code === EXIT_TAKEN) {
              onTaken(new ConfigError(`${spec.name} is served by another host; see above`));
            } else if (error instanceof ProcessEnded && error.code === EXIT_USAGE) {
              reject(new ConfigError(`${spec.name} could not start; see above`));
            } else if (++failedStarts === MAX_FAILED_STARTS) {
              reject(new Error(`${spec.name} could not start (${messageOf(error)}, ${failedStarts} times); see above`));
            }
          },
        });
        actors.push(startActor(actor, { bus, clock: realClock, log }));
      }),
  );
  return { actors, ready: Promise.all(ready), waitingFor: () => [...waiting] };
}

function roleArgs(deploymentPath: string, options: ServeOptions, role: readonly string[]): string[] {
  const main = entry('actors/main');
  const args = [...main.execArgv, main.path, 'serve', deploymentPath, ...role];
  for (const [flag, value] of [
    ['--profile', options.profile],
    ['--plan', options.plan],
    ['--host', options.host],
    ['--log-level', options.logLevel],
  ]) {
    if (flag !== undefined && value !== undefined) args.push(flag, value);
  }
  return args;
}
