import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { ConfigError } from '../../engine/errors.ts';
import { jsonFile, outputFile } from './options.ts';

interface Options {
  readonly html?: string;
  readonly json?: string;
  readonly profile?: string;
}

/** `cascade explain`: a plan for people. */
export function register(program: Command): void {
  program
    .command('explain')
    .description('explain a gear plan: frontier, placement, gears, and why each gear; as tables or as a page with plots')
    .argument('<plan>', 'gear plan, as `cascade plan` writes it')
    .option('--html <file>', 'write one self-contained page with plots', outputFile)
    .option('--json <file>', 'write what the tables show as JSON (- for stdout)', jsonFile)
    .option('--profile <file>', 'profile that the plan was made from (default: profile.json next to the plan, if it matches)')
    .action(explain);
}

async function explain(path: string, { html, json, profile: profileFile }: Options): Promise<void> {
  const [{ readPlan }, { readProfile }, { explainPlan }, { explanationTables }, { writeJson }, { writeWhole }] =
    await Promise.all([
      import('../domain/gear-plan/plan-file.ts'),
      import('../domain/profile/profile-file.ts'),
      import('../explain/explanation.ts'),
      import('../explain/tables.ts'),
      import('./json-output.ts'),
      import('../../engine/write-file.ts'),
    ]);
  const plan = readPlan(path);
  const beside = join(dirname(path), 'profile.json');
  const explanation = explainPlan(plan, profileFile === undefined ? profileBeside() : readProfile(profileFile));
  if (json !== '-') process.stdout.write(explanationTables(explanation));
  writeJson(json, explanation);
  if (html === undefined) return;
  const { explanationPage } = await import('../explain/page.ts');
  writeWhole(html, explanationPage(explanation), `--html ${html}`);
  process.stderr.write(`wrote ${html}\n`);

  /** The profile only adds detail, so ignore an unrelated file with that name. */
  function profileBeside() {
    if (!existsSync(beside)) return undefined;
    try {
      return readProfile(beside);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      process.stderr.write(`explained without ${error.message}\n`);
      return undefined;
    }
  }
}
