import type { Command } from 'commander';
import { jsonFile } from './options.ts';

/** `cascade diff`: compares two plans. */
export function register(program: Command): void {
  program
    .command('diff')
    .description('show what differs between two gear plans: placement; for each load, cascade, thresholds and expected figures')
    .argument('<before>', 'gear plan')
    .argument('<after>', 'gear plan')
    .option('--json <file>', 'write the differences as JSON (- for stdout)', jsonFile)
    .action(diff);
}

async function diff(before: string, after: string, { json }: { readonly json?: string }): Promise<void> {
  const [{ readPlan }, { diffPlans }, { diffText }, { writeJson }] = await Promise.all([
    import('../domain/gear-plan/plan-file.ts'),
    import('../diff/plan-diff.ts'),
    import('../diff/diff-table.ts'),
    import('./json-output.ts'),
  ]);
  const found = diffPlans(readPlan(before), readPlan(after));
  if (json !== '-') process.stdout.write(diffText(found));
  writeJson(json, found);
}
