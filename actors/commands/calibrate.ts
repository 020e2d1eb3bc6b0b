import type { Command } from 'commander';
import { requireWritable } from '../../engine/write-file.ts';
import { jsonFile, traceSeconds } from '../../plans/commands/options.ts';
import { natsOption } from '../processes/nats-url.ts';

interface Options {
  readonly profile?: string;
  readonly plan?: string;
  readonly nats?: string;
  readonly seconds: number;
  readonly json?: string;
}

const DEFAULT_SECONDS = 4;

/** `cascade calibrate`: compares promised and measured figures, and writes the correction that plans use. */
export function register(program: Command): void {
  program
    .command('calibrate')
    .description('serve the plan at five loads, compare measured with promised latency, and write a correction for `plan` to use')
    .argument('<deployment>', 'deployment file, or its folder')
    .option('--profile <file>', 'profile (default: profile.json next to the deployment)')
    .option('--plan <file>', 'gear plan (default: plan.json next to the deployment)')
    .addOption(natsOption('NATS server to use (default: a private one, started for the calibration)'))
    .option('--seconds <n>', 'length of each of five loads, not counting the time to settle', traceSeconds, DEFAULT_SECONDS)
    .option('--json <file>', 'write the calibration as JSON (- for stdout)', jsonFile)
    .action(calibrate);
}

async function calibrate(path: string, { nats, seconds, json, ...given }: Options): Promise<void> {
  const [{ loadDeployment }, { readProfile, requireCurrent }, { readPlan }, { checkPlanFor, refusePlan }] = await Promise.all([
    import('../../plans/domain/deployment/read-deployment.ts'),
    import('../../plans/domain/profile/profile-file.ts'),
    import('../../plans/domain/gear-plan/plan-file.ts'),
    import('../../plans/domain/gear-plan/plan-check.ts'),
  ]);
  const { calibrationFileOf, writeCalibration } = await import('../../plans/calibration/calibration-file.ts');
  const { calibrationTable, describeBounds, describeCorrection } = await import('../../plans/calibration/describe.ts');
  const { writeJson } = await import('../../plans/commands/json-output.ts');
  const { runCalibration } = await import('../calibration/run-calibration.ts');

  const deployment = loadDeployment(path);
  const files = {
    profile: given.profile ?? `${deployment.dir}/profile.json`,
    plan: given.plan ?? `${deployment.dir}/plan.json`,
  };
  const file = calibrationFileOf(files.profile);
  requireWritable(file);
  const profile = readProfile(files.profile);
  requireCurrent(deployment, profile, files.profile);
  const plan = readPlan(files.plan);
  refusePlan(files.plan, checkPlanFor(deployment, plan));
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const { calibration, fit } = await runCalibration({ deployment, profile, plan, files, nats, seconds, tell: say });
  writeCalibration(file, calibration);
  if (json !== '-') {
    process.stdout.write(`${calibrationTable(calibration.loads)}\n${describeCorrection(calibration, profile)}\n`);
    const [before, after] = [fit.errorBefore, fit.errorAfter].map((error) => `${(100 * (Math.exp(error) - 1)).toFixed(0)} %`);
    process.stdout.write(`simulated latencies were off by ${before}, with the correction by ${after}\n`);
  }
  for (const bound of describeBounds(calibration)) say(`warning: ${bound}`);
  say(`wrote ${file}: \`plan\`, \`simulate\` and \`provision\` use it; now run \`cascade plan\` again`);
  writeJson(json, calibration);
}
