import { type Command, InvalidArgumentError, Option } from 'commander';
import { CascadeError } from '../../engine/errors.ts';
import { durationMs, jsonFile } from '../../plans/commands/options.ts';
import type { PinOrder } from '../../plans/protocol/pin-order.ts';
import { natsOption, serversOf } from '../processes/nats-url.ts';

interface Options {
  readonly nats?: string;
  readonly json?: string;
}

export function register(program: Command): void {
  program
    .command('pin-gear')
    .description('hold a gear in a running deployment, whatever the load is; a new plan, or the loss of a device, ends it')
    .argument('<deployment>', 'deployment file, or its folder')
    .argument('<gear>', 'number of the gear, as listed by `cascade status --json` and the dashboard', gearNumber)
    .addOption(new Option('--for <time>', 'how long, such as 10m (default: until unpin-gear)').argParser(durationMs))
    .addOption(natsOption())
    .option('--json <file>', 'write the verdict as JSON (- for stdout)', jsonFile)
    .action((path: string, gear: number, { for: forMs, ...options }: Options & { readonly for?: number }) =>
      order(path, forMs === undefined ? { gear } : { gear, forMs }, options),
    );
  program
    .command('unpin-gear')
    .description('let the load choose the gear again')
    .argument('<deployment>', 'deployment file, or its folder')
    .addOption(natsOption())
    .option('--json <file>', 'write the verdict as JSON (- for stdout)', jsonFile)
    .action((path: string, options: Options) => order(path, { gear: null }, options));
}

async function order(path: string, pinOrder: PinOrder, { nats, json }: Options): Promise<void> {
  const { loadDeployment } = await import('../../plans/domain/deployment/read-deployment.ts');
  const { writeJson } = await import('../../plans/commands/json-output.ts');
  const { describePin, pinGear } = await import('../operator/pin-gear.ts');
  const { connectTo } = await import('../processes/connect.ts');
  const deployment = loadDeployment(path);
  const bus = await connectTo(serversOf(deployment, nats), deployment.nats, 'cascade-pin-gear');
  try {
    const verdict = await pinGear(bus, deployment, pinOrder);
    writeJson(json, verdict);
    if (!verdict.accepted) throw new CascadeError('INVALID_ARGUMENT', verdict.reason);
    if (json !== '-') process.stdout.write(`${describePin(verdict)}\n`);
  } finally {
    await bus.close();
  }
}

function gearNumber(text: string): number {
  const gear = Number(text);
  if (text.trim() === '' || !Number.isInteger(gear) || gear < 0) throw new InvalidArgumentError('use a whole number from 0 on');
  return gear;
}
