import { Command, CommanderError } from 'commander';
import { ActorGivenUp, CascadeError, ConfigError, DeviceTakenError } from '../engine/errors.ts';
import { printableLines } from '../engine/printable.ts';
import { packageVersion } from '../engine/process/package-info.ts';
import * as compare from '../plans/commands/compare.ts';
import * as deploymentOptions from '../plans/commands/deployment-options.ts';
import * as diff from '../plans/commands/diff.ts';
import * as explain from '../plans/commands/explain.ts';
import * as init from '../plans/commands/init.ts';
import * as plan from '../plans/commands/plan.ts';
import * as profile from '../plans/commands/profile.ts';
import * as provision from '../plans/commands/provision.ts';
import * as simulate from '../plans/commands/simulate.ts';
import * as trace from '../plans/commands/trace.ts';
import * as calibrate from './commands/calibrate.ts';
import * as check from './commands/check.ts';
import * as completion from './commands/completion.ts';
import * as demo from './commands/demo.ts';
import { EXIT_ERROR, EXIT_TAKEN, EXIT_USAGE } from './commands/exit-codes.ts';
import * as load from './commands/load.ts';
import * as pinGear from './commands/pin-gear.ts';
import * as pushPlan from './commands/push-plan.ts';
import * as replan from './commands/replan.ts';
import * as serve from './commands/serve.ts';
import * as status from './commands/status.ts';
import * as watch from './commands/watch.ts';
import { addExamples } from './examples.ts';
import { claimWasGiven } from './processes/claim.ts';

/** The `cascade` command. Heavy modules are imported by the subcommands' actions, so that `--help` is fast. */
export function createProgram(): Command {
  const program = new Command('cascade')
    .description('Inference serving with model cascades and gear plans, over NATS')
    .version(packageVersion())
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError('(use --help for a list)');
  for (const command of [
    demo,
    init,
    deploymentOptions,
    check,
    profile,
    plan,
    calibrate,
    provision,
    explain,
    diff,
    simulate,
    compare,
    trace,
    serve,
    load,
    status,
    watch,
    pushPlan,
    pinGear,
    replan,
    completion,
  ])
    command.register(program);
  addExamples(program);
  return program;
}

/** Runs a command line and sets `process.exitCode`. @param args without the names of node and of the command. */
export async function runProgram(args: readonly string[]): Promise<void> {
  try {
    await createProgram().parseAsync(args, { from: 'user' });
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** Messages may quote what servers said. */
function complain(message: string): void {
  process.stderr.write(`${printableLines(message)}\n`);
}

function report(error: unknown): number {
  // Commander has already said what was wrong, or printed the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  if (error instanceof ConfigError) {
    complain(error.message);
    return error instanceof DeviceTakenError && claimWasGiven() ? EXIT_TAKEN : EXIT_USAGE;
  }
  if (error instanceof ActorGivenUp) {
    complain(error.message);
    return EXIT_ERROR;
  }
  complain(error instanceof CascadeError ? `${error.code}: ${error.message}` : String((error as Error)?.stack ?? error));
  return EXIT_ERROR;
}
