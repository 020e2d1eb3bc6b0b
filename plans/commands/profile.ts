import { join } from 'node:path';
import type { Command } from 'commander';
import type { Deployment } from '../domain/deployment/deployment.ts';
import type { Profile } from '../domain/profile/profile.ts';
import type { ProfileOptions } from '../profiling/profile-family.ts';
import { jsonFile, outputFile, outputOr } from './options.ts';
import { shellWord } from './shell-word.ts';

interface Options {
  readonly out?: string;
  readonly json?: string;
  readonly quick?: boolean;
}

/** `cascade profile`. */
export function register(program: Command): void {
  program
    .command('profile')
    .description('measure runtimes per batch size and kind of device; record predictions and certainties')
    .argument('<deployment>', 'deployment file, or its folder')
    .option('--out <file>', 'profile to write (default: profile.json next to the deployment)', outputFile)
    .option('--json <file>', 'write the figures as JSON (- = standard output)', jsonFile)
    .option('--quick', 'fewer measurements: faster, with noisier runtimes')
    .action(run);
}

/** Measures a deployment on this machine (see `profileFamily`), or generates the profile of a synthetic family. */
export async function profileDeployment(deployment: Deployment, options: ProfileOptions = {}): Promise<Profile> {
  if (deployment.synthetic !== undefined) {
    const { profileOfSynthetic } = await import('../synthetic/synthetic-deployment.ts');
    return profileOfSynthetic(deployment);
  }
  const { profileFamily } = await import('../profiling/profile-family.ts');
  return profileFamily(deployment, options);
}

async function run(path: string, { out, json, quick = false }: Options): Promise<void> {
  const { loadDeployment } = await import('../domain/deployment/read-deployment.ts');
  const { writeProfile } = await import('../domain/profile/profile-file.ts');
  const { profileSummary, profileTable } = await import('../profiling/summary.ts');
  const { progressLine } = await import('../profiling/progress-line.ts');
  const { writeJson } = await import('./json-output.ts');
  const deployment = loadDeployment(path);
  const file = outputOr(join(deployment.dir, 'profile.json'), out);
  const line = progressLine(process.stderr);
  let profile: Profile;
  try {
    profile = await profileDeployment(deployment, {
      quick,
      onProgress: line.show,
      onWarning: (warning) => line.say(`warning: ${warning}`),
    });
  } finally {
    line.clear();
  }
  writeProfile(file, profile);
  writeJson(json, { file, ...profileSummary(profile) });
  if (json !== '-') process.stdout.write(`${profileTable(profile)}\nwritten to ${file}\nnext: cascade plan ${shellWord(path)}\n`);
}
