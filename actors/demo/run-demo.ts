import pc from 'picocolors';
import { findNatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { shownServers } from '../../engine/bus/server-urls.ts';
import { ConfigError } from '../../engine/errors.ts';
import { calibrationFileOf, writeCalibration } from '../../plans/calibration/calibration-file.ts';
import { calibrationTable } from '../../plans/calibration/describe.ts';
import { planningProfile } from '../../plans/calibration/planning-profile.ts';
import { readTrace } from '../../plans/commands/options.ts';
import { loadLabelledData } from '../../plans/data/load-labelled-data.ts';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';
import { allGears, type GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import type { Profile } from '../../plans/domain/profile/profile.ts';
import { weightedMean } from '../../plans/planner/sp1/accuracy-estimate.ts';
import type { Report } from '../../plans/report/report.ts';
import { reportTable } from '../../plans/report/report-table.ts';
import { simulatePlan } from '../../plans/simulator/simulate-plan.ts';
import { peakQps, scaleToPeak, stretchTrace, type Trace } from '../../plans/traces/trace.ts';
import { runCalibration } from '../calibration/run-calibration.ts';
import { type HttpAddress, shownAddress } from '../http/address.ts';
import { type LiveLoadResult, liveLoad } from '../load/live-load.ts';
import { connectLoad } from '../load/load-target.ts';
import { connectTo } from '../processes/connect.ts';
import { serversOf } from '../processes/nats-url.ts';
import { describeAccuracy, describeFamily, describeGears, describeSavings } from './explain.ts';
import { LiveView } from './live-view.ts';
import { aloneQps } from './prepare.ts';
import { startServe } from './serve-child.ts';
import { type DemoSubject, type ExampleName, emulatedSubject, exampleSubject, PEAK_OF_PLAN } from './subject.ts';

export interface DemoOptions {
  /** Default: fashion. */
  readonly example?: ExampleName;
  /** Name of a synthetic family to run on emulated devices, instead of an example with real models. */
  readonly emulated?: string;
  readonly seconds?: number;
  /** A trace file to replay instead of the example's, with its peak scaled to the plan. */
  readonly trace?: string;
  /** Calibrate first, and plan with the result. */
  readonly calibrate?: boolean;
  readonly dashboard?: HttpAddress;
  readonly nats?: string;
  readonly json?: string;
}

/** Output of `demo --json`: the report of the live run, with the expected and simulated figures. */
export interface DemoReport extends Report {
  /** Seed of the arrivals and the order of the samples. */
  readonly seed: number;
  readonly simulated: Report;
  /** Gear index -> seconds in force. */
  readonly gears: Readonly<Record<string, number>>;
  /** The plan's expected accuracy of the gears, weighted by the answers given in each. */
  readonly expectedAccuracy: number;
  /** 95 % confidence interval. */
  readonly expectedAccuracyInterval: readonly [low: number, high: number];
  readonly answersByModel: Readonly<Record<string, number>>;
  /** Highest load that the largest model alone could carry, according to the profile. */
  readonly largestModelAloneQps: number;
  readonly peakQps: number;
  /** True with emulated devices; everything then takes `slowdown` times as long as the deployment says. */
  readonly emulated?: true;
  readonly slowdown?: number;
}

const SEED = 1;
/** Length of each load. */
const CALIBRATION_SECONDS = 2;

/** An example end to end: profile, plan, serve, replay a trace with spikes, and report. */
export async function runDemo(options: DemoOptions, signal: AbortSignal): Promise<DemoReport | undefined> {
  const subject =
    options.emulated === undefined ? exampleSubject(options.example ?? 'fashion') : emulatedSubject(options.emulated);
  try {
    return await showSubject(subject, options, signal);
  } finally {
    subject.close();
  }
}

async function showSubject(subject: DemoSubject, options: DemoOptions, signal: AbortSignal): Promise<DemoReport | undefined> {
  const { deployment, files, emulated, noun } = subject;
  const shape = demoShape(files.trace, options);
  const say = (text = ''): void => void process.stderr.write(`${text}\n`);
  const step = (n: number, text: string): void => say(`\n${pc.bold(`${n}/4 ${text}${emulated ? ' (emulated)' : ''}`)}`);
  const tell = (text: string): void => say(pc.dim(`    ${text}`));
  await requireNats(deployment, options.nats);
  say(subject.introduction);

  step(1, 'Profile: how fast, how accurate and how certain is each model?');
  const profile = await unlessAborted(subject.profile(tell), signal);
  if (profile === undefined) return undefined;
  say(describeFamily(deployment, profile, noun));

  step(2, 'Plan: which cascade for which load?');
  const made = await unlessAborted(planCalibrated(subject, profile, options, signal, tell, say), signal);
  if (made === undefined) return undefined;
  const { plan, corrected } = made;
  say(describeGears(plan));

  const trace = scaleToPeak(shape, PEAK_OF_PLAN * plan.gears[plan.gears.length - 1].qps[1]);
  step(3, 'Serve: frontend, gear controller and device, each its own actor, over NATS');
  const server = options.nats === undefined ? await startNatsServer({ jetstream: true }) : undefined;
  const url = options.nats ?? server?.url ?? '';
  tell(server === undefined ? `using ${shownServers([url])}` : `private nats-server on ${url}`);
  try {
    const args = ['--profile', files.profile, '--plan', files.plan, '--log-level', 'warn'];
    const dashboard = options.dashboard === undefined ? [] : ['--dashboard', shownAddress(options.dashboard)];
    const child = await startServe([deployment.file, ...args, ...dashboard], url);
    if (options.dashboard !== undefined) tell(`dashboard at http://${shownAddress(options.dashboard)}`);
    let live: LiveLoadResult;
    try {
      step(
        4,
        `Replay ${trace.qps.length} seconds of ${options.trace ?? 'calm, flash crowds and a step'}, up to ${Math.round(peakQps(trace))} requests/s`,
      );
      live = await replay(deployment, profile, plan, trace, url, signal, say);
    } finally {
      await child.stop();
    }
    if (signal.aborted) return undefined;
    return summarise(
      subject,
      profile,
      corrected,
      plan,
      trace,
      live,
      options.json === '-' ? say : (text) => void process.stdout.write(`${text}\n`),
    );
  } finally {
    await server?.stop();
  }
}

/** Fail now, rather than after a minute of profiling. */
async function requireNats(deployment: Deployment, url: string | undefined): Promise<void> {
  if (url === undefined) await findNatsServer();
  else await (await connectTo(serversOf(deployment, url), deployment.nats, 'cascade-demo')).close();
}

/** Undefined once the user has interrupted: while nothing is being served, nothing needs an orderly shutdown. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const aborted = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  return Promise.race([work, aborted]);
}

/** A plan for the profile as corrected by a calibration: from an earlier run, or a new one on request. */
async function planCalibrated(
  subject: DemoSubject,
  profile: Profile,
  options: DemoOptions,
  signal: AbortSignal,
  tell: (text: string) => void,
  say: (text: string) => void,
): Promise<{ plan: GearPlan; corrected: Profile }> {
  const { deployment, files } = subject;
  const before = planningProfile(deployment, files.profile, { say: tell });
  const plan = await subject.plan(before, tell);
  if (options.calibrate !== true) return { plan, corrected: before };
  tell('calibrating: serving the plan at five loads to measure serving costs on this machine');
  const { calibration } = await runCalibration({
    deployment,
    profile,
    plan,
    files,
    ...(options.nats === undefined ? {} : { nats: options.nats }),
    seconds: CALIBRATION_SECONDS,
    tell,
    signal,
  });
  writeCalibration(calibrationFileOf(files.profile), calibration);
  say(calibrationTable(calibration.loads));
  const corrected = planningProfile(deployment, files.profile, { say: tell });
  return { plan: await subject.plan(corrected, tell), corrected };
}

/** The trace to replay, before its peak is scaled to the plan. @throws ConfigError */
function demoShape(example: string, { trace: file, seconds }: DemoOptions): Trace {
  const trace = file === undefined ? readTrace(example) : readTrace(file, '--trace ');
  if (peakQps(trace) === 0) throw new ConfigError(`--trace ${file}: has no requests to replay`);
  return seconds === undefined ? trace : stretchTrace(trace, seconds);
}

async function replay(
  deployment: Deployment,
  profile: Profile,
  plan: GearPlan,
  trace: Trace,
  url: string,
  signal: AbortSignal,
  say: (text: string) => void,
): Promise<LiveLoadResult> {
  const data = loadLabelledData(deployment, profile.inputs);
  const target = await connectLoad(deployment, data, serversOf(deployment, url), 'cascade-demo');
  const view = new LiveView({
    models: plan.models,
    peakQps: peakQps(trace),
    sloMs: deployment.slo.type === 'latency' ? deployment.slo.p95Ms : undefined,
    write: say,
  });
  view.header();
  // Show a second once its answers are here: a second after its end, or as late as the SLO allows.
  const delay = 1 + (deployment.slo.type === 'latency' ? Math.floor(deployment.slo.p95Ms / 1_000) : 0);
  const startedAt = performance.now();
  const ticker = setInterval(() => view.showBefore(Math.floor((performance.now() - startedAt) / 1_000) - delay), 100);
  try {
    return await liveLoad({
      ...target,
      trace,
      seed: SEED,
      onOutcome: (outcome) => view.add(outcome),
      signal,
    });
  } finally {
    clearInterval(ticker);
    if (!signal.aborted) view.showBefore(trace.qps.length);
    await target.client.close();
  }
}

function summarise(
  { deployment, emulated, slowdown, noun }: DemoSubject,
  profile: Profile,
  corrected: Profile,
  plan: GearPlan,
  trace: Trace,
  live: LiveLoadResult,
  print: (text: string) => void,
): DemoReport {
  const simulated = simulatePlan(deployment, corrected, plan, trace, SEED).report;
  const answered = [...live.answersByGear.values()].reduce((sum, n) => sum + n, 0);
  const gears = allGears(plan);
  const used = [...live.answersByGear];
  const expected = weightedMean(
    used.map(([gear]) => ({ accuracy: gears[gear].expected.accuracy, interval: gears[gear].expected.accuracyInterval })),
    used.map(([, n]) => n / answered),
  );
  const largest = profile.models[profile.models.length - 1];
  const largestModelAloneQps = aloneQps(deployment, profile, largest);
  const where = emulated ? ', emulated devices' : '';
  print(`\n${reportTable({ [`measured, live${where}`]: live.report, 'simulated, same trace': simulated }).trimEnd()}`);
  if (slowdown > 1) print(`Emulated ${slowdown.toFixed(1)} times slower than full speed: load, devices and SLO alike.`);
  print(describeAccuracy(expected, live.report.accuracy ?? 0, live.samplesAnswered));
  for (const [text, count] of live.errors) print(`${count} x ${text}`);
  print(
    describeSavings({ profile, live, largestModelAloneQps, peakQps: peakQps(trace), noun, devices: deployment.devices.length }),
  );
  return {
    seed: SEED,
    ...live.report,
    simulated,
    gears: Object.fromEntries(
      (live.gearSeconds ?? []).map((seconds, gear) => [gear, seconds] as const).filter(([, seconds]) => seconds > 0),
    ),
    expectedAccuracy: expected.accuracy,
    expectedAccuracyInterval: expected.interval,
    answersByModel: live.answersByModel,
    largestModelAloneQps,
    peakQps: peakQps(trace),
    ...(emulated ? { emulated, slowdown } : {}),
  };
}
