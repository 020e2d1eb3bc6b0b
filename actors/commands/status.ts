import type { Command } from 'commander';
import { shownServers } from '../../engine/bus/server-urls.ts';
import { jsonFile } from '../../plans/commands/options.ts';
import { describeWeights } from '../../plans/domain/gear-plan/gear-plan.ts';
import { accuracyWithInterval, counted } from '../../plans/explain/format.ts';
import { describeEnd } from '../../plans/protocol/pin-order.ts';
import type { Status } from '../controller/status-report.ts';
import { describeSpeed } from '../device/describe-speed.ts';
import { natsOption, serversOf } from '../processes/nats-url.ts';
import { describeBasis, describeDecision } from './describe-decision.ts';
import { describeDrift } from './describe-drift.ts';

export function register(program: Command): void {
  program
    .command('status')
    .description('show the state of a running deployment')
    .argument('<deployment>', 'deployment file, or its folder')
    .addOption(natsOption())
    .option('--json <file>', 'write the status as JSON (- for stdout)', jsonFile)
    .action(async (path: string, options: { nats?: string; json?: string }) => {
      const { loadDeployment } = await import('../../plans/domain/deployment/read-deployment.ts');
      const { connectTo } = await import('../processes/connect.ts');
      const { askStatus } = await import('../operator/ask-status.ts');
      const { writeJson } = await import('../../plans/commands/json-output.ts');
      const deployment = loadDeployment(path);
      const servers = serversOf(deployment, options.nats);
      const bus = await connectTo(servers, deployment.nats, 'cascade-status');
      try {
        const status = await askStatus(bus, deployment, shownServers(servers));
        if (options.json !== '-') process.stdout.write(describeStatus(status));
        writeJson(options.json, status);
      } finally {
        await bus.close();
      }
    });
}

/** For people, line by line. */
export function describeStatus(status: Status): string {
  const { gear } = status;
  const lines = [
    `${status.deployment}, plan revision ${status.revision}`,
    gear === null
      ? 'no gear in force yet'
      : `gear ${gear.index} of ${gear.of} (${gear.qps[0]}-${gear.qps[1]} requests/s${gear.bestEffort ? ', best effort: no SLO promised' : ''}): ${gear.cascade}`,
    ...(gear === null ? [] : [`  expected accuracy ${accuracyWithInterval(gear.expected)}`]),
    ...(gear?.pinned ? [`  pinned by an operator ${describeEnd(gear.pinned.until)}`] : []),
    ...(gear?.basis ? [`  chosen ${describeBasis(gear.basis)}`] : []),
    `weights: ${describeWeights(status.weights)}`,
    `load ${Math.round(status.qps)} requests/s over ${counted(status.frontends.length, 'frontend')}`,
    ...status.devices.flatMap((device) => {
      const queues = Object.entries(device.queues).map(([model, length]) => `${model} ${length}`);
      const busy = ((100 * device.busyMs) / Math.max(1, device.upMs)).toFixed(0);
      return [
        `device ${device.device}${device.emulated ? ' (emulated)' : ''} on ${device.host}: ${device.phase}, pid ${device.pid}, busy ${busy} % since its start, queues: ${queues.join(', ')}`,
        `  ${describeDeviceSpeed(device)}`,
        ...Object.values(device.missingWeights ?? {}).map((reason) => `  model missing: ${reason}`),
      ];
    }),
    ...status.missing.map((device) => `device ${device}: no heartbeat`),
    ...Object.entries(status.dropped).flatMap(([actor, counts]) =>
      Object.entries(counts).map(([reason, count]) => `${actor} dropped ${counted(count, 'message')}: ${reason}`),
    ),
    ...describeUnserved(status.unserved),
    ...describeDurable(status.durable),
    ...status.losses.map(({ at, text }) => `${new Date(at).toISOString().slice(0, 19)}Z: ${text}`),
    ...(status.drift === null ? [] : describeDrift(status.drift)),
    ...(status.decisions.length === 0
      ? []
      : ['last decisions (UTC):', ...status.decisions.map((each) => `  ${describeDecision(each)}`)]),
  ];
  return `${lines.join('\n')}\n`;
}

function describeDeviceSpeed({ device, speed }: Status['devices'][number]): string {
  const waiting = speed.starvedShare === null ? '' : `; waiting for a processor: ${(100 * speed.starvedShare).toFixed(0)} %`;
  return `${describeSpeed(device, speed)} (${speed.slowdown.toFixed(2)} times the profiled time${waiting})`;
}

function describeUnserved(unserved: Status['unserved']): string[] {
  return Object.entries(unserved).map(([role, kinds]) => {
    const parts = Object.entries(kinds).map(([kind, counts]) => {
      const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
      const reasons = Object.entries(counts).map(([reason, count]) => `${reason} ${count}`);
      return `${kind} ${total} (${reasons.join(', ')})`;
    });
    return `${role}, requests without a result: ${parts.join('; ')}`;
  });
}

function describeDurable(durable: Status['durable']): string[] {
  if (durable === null) return [];
  if ('unknown' in durable) return [`durable ingress: unknown (${durable.unknown})`];
  const { stored, waiting, inFlight, redelivered, deadLetters } = durable;
  const tried = redelivered === 0 ? '' : `, ${redelivered} of them redelivered`;
  const parts = [
    `${counted(stored, 'request')} stored`,
    `${waiting} waiting`,
    `${inFlight} in flight${tried}`,
    counted(deadLetters, 'dead letter'),
  ];
  return [`durable ingress: ${parts.join(', ')}`];
}
