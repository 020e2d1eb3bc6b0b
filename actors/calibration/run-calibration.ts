import { cpus } from 'node:os';
import { CascadeError, ConfigError } from '../../engine/errors.ts';
import { calibratedProfile } from '../../plans/calibration/calibrated-profile.ts';
import type { Calibration, CalibrationFactors } from '../../plans/calibration/calibration.ts';
import { type Fit, fitFactors, startingFactors } from '../../plans/calibration/fit.ts';
import { fitSpeed, type MeasuredSpeed } from '../../plans/calibration/fit-speed.ts';
import { calibrationOf } from '../../plans/calibration/planning-profile.ts';
import { type LoadStep, simulateStep } from '../../plans/calibration/simulated-load.ts';
import { type Deployment, deviceClass } from '../../plans/domain/deployment/deployment.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { fileDigest } from '../../plans/domain/profile/file-digest.ts';
import type { Profile } from '../../plans/domain/profile/profile.ts';
import { contentionOf } from '../../plans/simulator/contention.ts';
import { type MeasuredStep, measureStep } from './measure-step.ts';
import { type LiveTarget, type Served, withServing } from './with-serving.ts';

export interface CalibrationOptions extends Served {
  readonly plan: GearPlan;
  /** Length of each load, not counting the time to settle. */
  readonly seconds: number;
  readonly tell: (line: string) => void;
}

/** Loads, as fractions of the highest load the plan promises. */
const LOADS = [0.1, 0.3, 0.5, 0.75, 1];
/** Time to reach the gear and clear the backlog of the previous load. */
const SETTLE_SECONDS = 2;
/** Code that has run for a while is faster. */
const WARM_UP: Pick<LoadStep, 'settleSeconds' | 'seconds'> = { settleSeconds: 0, seconds: 3 };
const SEED = 1;
/** With fewer loads, a curve cannot be fitted. */
const FEWEST_LOADS = 2;

interface Measured {
  readonly step: LoadStep;
  readonly live: MeasuredStep;
}

/** The previous calibration. A damaged or outdated one is about to be replaced. */
function knownCalibration({ deployment, files, tell }: CalibrationOptions): ReturnType<typeof calibrationOf> {
  try {
    return calibrationOf(deployment, files.profile);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    tell(`ignored, and replaced at the end: ${error.message}`);
    return undefined;
  }
}

/**
 * Serves the plan, measures it at several loads, and fits the correction of the profile.
 * @throws CascadeError UNAVAILABLE when too few loads could be measured.
 */
export async function runCalibration(options: CalibrationOptions): Promise<{ calibration: Calibration; fit: Fit }> {
  const { deployment, profile, plan, files, seconds, tell } = options;
  const known = knownCalibration(options);
  const promising = known === undefined ? profile : calibratedProfile(profile, known, deployment.devices.length);
  const measured = await measureAll(options);
  if (measured.length < FEWEST_LOADS) {
    throw new CascadeError(
      'UNAVAILABLE',
      `${measured.length} of ${LOADS.length} loads could be measured; calibrate with nothing else running, or a lower --qps-max in the plan`,
    );
  }
  const date = new Date().toISOString();
  const { frontends } = deployment;
  const corrected = (factors: Calibration['factors']): Profile =>
    calibratedProfile(profile, { date, frontends, factors }, deployment.devices.length);
  const simulateAll = (with_: Profile) => measured.map(({ step }) => simulateStep(deployment, with_, plan, step));
  tell('fitting the correction');
  const speed = fitSpeed(measured.flatMap((each) => measuredSpeeds(deployment, plan, each)));
  // If the machine was slower than fitted during a load, the fit must not attribute that to hops.
  const slowdowns = measured.map((each) => slowdownsRelativeTo(speed, deployment, plan, each));
  const fit = fitFactors(
    startingFactors(profile, speed),
    measured.map(({ live }) => live.figures),
    (factors) => {
      const now = corrected(factors);
      return measured.map(({ step }, i) => simulateStep(deployment, now, plan, step, slowdowns[i]));
    },
  );
  const promised = simulateAll(promising);
  const after = simulateAll(corrected(fit.factors));
  const calibration: Calibration = {
    schema: 1,
    deployment: deployment.name,
    profile: fileDigest(files.profile),
    frontends,
    machine: `${cpus()[0]?.model ?? process.arch} x ${cpus().length}, Node ${process.versions.node}`,
    date,
    seed: SEED,
    seconds,
    factors: fit.factors,
    atBound: fit.atBound,
    loads: measured.map(({ step, live }, i) => ({
      qps: step.qps,
      requests: live.requests,
      promised: promised[i],
      corrected: after[i],
      measured: live.figures,
      slowdown: live.slowdown,
    })),
  };
  return { calibration, fit };
}

function measureAll({ plan, seconds, tell, ...served }: CalibrationOptions): Promise<Measured[]> {
  return withServing(served, async (live) => {
    const qpsMax = plan.gears[plan.gears.length - 1].qps[1];
    await measureStep(live, { qps: qpsMax / 2, ...WARM_UP, seed: SEED });
    const measured: Measured[] = [];
    for (const [i, part] of LOADS.entries()) {
      if (served.signal?.aborted) break;
      const step = { qps: part * qpsMax, settleSeconds: SETTLE_SECONDS, seconds, seed: SEED };
      tell(`load ${i + 1} of ${LOADS.length}: ${step.qps.toFixed(0)} requests/s for ${SETTLE_SECONDS} + ${seconds} s`);
      const usable = await measureTwiceIfVoid(live, step, tell);
      if (usable !== undefined) measured.push({ step, live: usable });
    }
    return measured;
  });
}

/** @returns undefined when the load could not be sent on time, or was not answered. */
async function measureTwiceIfVoid(
  live: LiveTarget,
  step: LoadStep,
  tell: (line: string) => void,
): Promise<MeasuredStep | undefined> {
  let measured = await measureStep(live, step);
  const lag = (): string => `one request in a hundred was sent ${measured.lagMsP99?.toFixed(1)} ms late or more`;
  if (measured.void) {
    tell(`${lag()}: measuring again`);
    measured = await measureStep(live, step);
  }
  if (measured.void) {
    tell(`${step.qps.toFixed(0)} requests/s is left out: ${lag()}`);
    return undefined;
  }
  if (measured.requests === 0) {
    tell(`${step.qps.toFixed(0)} requests/s is left out: no request was answered`);
    return undefined;
  }
  if (measured.failed > 0) tell(`${measured.failed} of ${measured.failed + measured.requests} requests had no answer`);
  return measured;
}

/** Relative to the profile: devices report their speed relative to what their plan assumes. */
function measuredSpeeds({ devices }: Deployment, { correction }: GearPlan, { step, live }: Measured): MeasuredSpeed[] {
  return devices.map((device) => ({
    deviceClass: deviceClass(device),
    qps: step.qps,
    slowdown: (live.slowdown[device.id] ?? 1) * (correction?.inference[device.id] ?? 1),
    busy: live.figures.utilisation[device.id] ?? 0,
  }));
}

/** Device -> slowdown relative to the fit, under one load. */
function slowdownsRelativeTo(
  { inference, contentionMs }: Pick<CalibrationFactors, 'inference' | 'contentionMs'>,
  deployment: Deployment,
  plan: GearPlan,
  measured: Measured,
): Record<string, number> {
  const speeds = measuredSpeeds(deployment, plan, measured);
  return Object.fromEntries(
    deployment.devices.map(({ id }, d) => {
      const { qps, slowdown, deviceClass: kind } = speeds[d];
      return [id, slowdown / (inference[kind] * contentionOf((qps * contentionMs) / 1_000))];
    }),
  );
}
