import { type Command, Option } from 'commander';
import { shownServers } from '../../engine/bus/server-urls.ts';
import { ConfigError, forAll } from '../../engine/errors.ts';
import { keepHeapSmall } from '../../engine/process/small-heap.ts';
import type { Device } from '../../plans/domain/deployment/deployment.ts';
import { type HttpAddress, httpAddress, shownAddress } from '../http/address.ts';
import { natsOption } from '../processes/nats-url.ts';
import type { GatewayAddresses } from '../processes/run-gateway.ts';
import type { ServeOptions, ServingContext } from '../processes/serving-context.ts';

interface Options extends ServeOptions {
  readonly role: (typeof ROLES)[number];
  readonly device?: string;
  readonly metrics?: HttpAddress;
  readonly dashboard?: HttpAddress;
  readonly http?: HttpAddress;
  readonly grpc?: HttpAddress;
  readonly health?: HttpAddress;
}

const ROLES = ['all', 'frontend', 'controller', 'host', 'device', 'metrics', 'dashboard', 'gateway'] as const;
/** Default addresses of `--role metrics` and `--role dashboard`. */
const OBSERVERS = { metrics: httpAddress('9464'), dashboard: httpAddress('9465') };

export function register(program: Command): void {
  program
    .command('serve')
    .description('run a deployment, or one role of it, over NATS; prints one line when ready')
    .argument('<deployment>', 'deployment file, or its folder')
    .option('--profile <file>', 'profile (default: profile.json next to the deployment)')
    .option('--plan <file>', 'gear plan (default: plan.json next to the deployment)')
    .addOption(new Option('--role <role>', 'what to run here: everything, or one role').choices(ROLES).default('all'))
    .option('--host <name>', 'name of this host; selects the devices with this host in the deployment')
    .option(
      '--device <id>',
      'device to run, with --role device; emulated devices of a host share a process and are comma-separated',
    )
    .option(
      '--http <[host:]port>',
      'serve the Open Inference Protocol (KServe v2, like Triton) over HTTP; without a host, only on this machine',
      httpAddress,
    )
    .option('--grpc <[host:]port>', 'the same over gRPC (--role gateway: 8000 and 8001 by default)', httpAddress)
    .option(
      '--metrics <[host:]port>',
      `serve metrics to Prometheus at /metrics (--role metrics: ${OBSERVERS.metrics.port} by default)`,
      httpAddress,
    )
    .option(
      '--dashboard <[host:]port>',
      `show the deployment in a browser (--role dashboard: ${OBSERVERS.dashboard.port} by default)`,
      httpAddress,
    )
    .option('--health <[host:]port>', 'serve the health of this process at /healthz and /readyz, for Kubernetes', httpAddress)
    .addOption(natsOption())
    .addOption(
      new Option('--log-level <level>', 'least severe log lines to print')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .action(async (deployment: string, options: Options) => {
      // The other roles handle every request.
      if (!['device', 'frontend', 'gateway'].includes(options.role)) keepHeapSmall();
      checkGateway(options);
      if (options.health !== undefined) await (await import('../processes/health.ts')).serveHealth(options.health);
      const { metrics = OBSERVERS.metrics, dashboard = OBSERVERS.dashboard } = options;
      if (options.role === 'metrics')
        return (await import('../processes/run-observer.ts')).runMetrics(deployment, options, metrics);
      if (options.role === 'dashboard')
        return (await import('../processes/run-observer.ts')).runDashboard(deployment, options, dashboard);
      const { readServingContext } = await import('../processes/serving-context.ts');
      await run(
        deployment,
        options,
        readServingContext(deployment, options, options.role === 'device' ? deviceRole(options.device) : options.role),
      );
    });
}

async function run(deployment: string, options: Options, serving: ServingContext): Promise<void> {
  for (const role of ['metrics', 'dashboard'] as const)
    if (options[role] !== undefined && options.role !== 'all' && options.role !== 'host')
      throw new ConfigError(`--${role} is for the roles all, host and ${role}, not for --role ${options.role}`);
  switch (options.role) {
    case 'frontend':
      return (await import('../processes/run-frontend.ts')).runFrontend(serving);
    case 'controller':
      return (await import('../processes/run-controller.ts')).runController(serving);
    case 'device':
      if (options.device === undefined) throw new ConfigError('--role device needs --device <id>');
      return (await import('../processes/run-device.ts')).runDevices(serving, options.device.split(','));
    case 'gateway':
      return (await import('../processes/run-gateway.ts')).runGateway(serving, gatewayAddresses(options));
    default:
      return runHost(deployment, options, serving);
  }
}

async function runHost(deployment: string, options: Options, serving: ServingContext): Promise<void> {
  const { devicesOfHost, requireLocalCores } = await import('../../plans/domain/deployment/local-cores.ts');
  // Including devices without a replica in the current plan.
  const devices = devicesOfHost(serving.deployment, serving.host);
  forAll(devices, (device) => requireLocalCores(serving.deployment, device));
  const all = options.role === 'all';
  const { frontends } = serving.deployment;
  const { runParts } = await import('../processes/run-all.ts');
  const { allGears } = await import('../../plans/domain/gear-plan/gear-plan.ts');
  const { counted } = await import('../../plans/explain/format.ts');
  await runParts(
    serving,
    deployment,
    options,
    {
      controller: all,
      devices,
      frontends: all && frontends !== 'in-devices' ? frontends : 0,
      metrics: options.metrics,
      dashboard: options.dashboard,
      gateway: gatewayArgs(options),
    },
    () => {
      const taking = frontends === 'in-devices' ? 'a frontend in each of ' : all ? `${counted(frontends, 'frontend')}, ` : '';
      process.stdout.write(
        `cascade ${serving.deployment.name} is ready: ${taking}devices ${devices.map(nameOf).join(', ')}, ` +
          `${counted(allGears(serving.plan).length, 'gear')}; publish requests to ${serving.subjects.infer} on ${shownServers(serving.servers)}` +
          gatewayText(options) +
          `${options.metrics === undefined ? '' : `; metrics at http://${shownAddress(options.metrics)}/metrics`}` +
          `${options.dashboard === undefined ? '' : `; dashboard at http://${shownAddress(options.dashboard)}`}\n`,
      );
    },
  );
}

/** Default addresses, the same as Triton's. */
const STANDARD: GatewayAddresses = { http: { host: '127.0.0.1', port: 8_000 }, grpc: { host: '127.0.0.1', port: 8_001 } };

function gatewayAddresses({ http, grpc }: Options): GatewayAddresses {
  return http === undefined && grpc === undefined ? STANDARD : { http, grpc };
}

/** @throws ConfigError before anything is started. */
function checkGateway({ role, http, grpc }: Options): void {
  const option = http !== undefined ? '--http' : '--grpc';
  if ((http ?? grpc) !== undefined && !['all', 'host', 'gateway'].includes(role))
    throw new ConfigError(`${option}: role ${role} has no gateway; use it with --role gateway, or without a role`);
}

function gatewayArgs({ http, grpc }: Options): string[] | undefined {
  const args = [
    ...(http === undefined ? [] : ['--http', shownAddress(http)]),
    ...(grpc === undefined ? [] : ['--grpc', shownAddress(grpc)]),
  ];
  return args.length === 0 ? undefined : args;
}

/** The gateway's addresses, for the line that reports readiness. */
function gatewayText({ http, grpc }: Options): string {
  const urls = [
    ...(http === undefined ? [] : [`http://${shownAddress(http)}`]),
    ...(grpc === undefined ? [] : [`grpc://${shownAddress(grpc)}`]),
  ];
  return urls.length === 0 ? '' : `, or ask ${urls.join(' or ')}`;
}

/** Name of the process in its logs. */
function deviceRole(ids = ''): string {
  return ids.includes(',') ? 'devices' : `device-${ids}`;
}

function nameOf({ id, kind }: Device): string {
  return kind === 'emulated' ? `${id} (emulated)` : id;
}
