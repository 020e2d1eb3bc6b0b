/**
 * The gateway: requests/s and p50 of single samples over HTTP (bytes and JSON, keep-alive) and gRPC, compared with plain NATS requests,
 * in turn. All clients except gRPC use raw sockets in their own process, so that none pays for a client library. The result is the
 * ratio to NATS in each round, since absolute figures depend on this machine, where client, server, gateway and device share the
 * cores. Processor time per request and process shows where time goes, and hardly depends on what else runs.
 *
 * Usage: npm run bench:gateway [-- rounds]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { descendants } from '../support/processes.ts';
import { median, writeResult } from './machine.ts';
import type { ClosedLoopConfig, ClosedLoopResult } from './support/gateway/closed-loop.ts';
import { serveWithGateway } from './support/gateway/serve.ts';

const ROUNDS = Number(process.argv[2] ?? 5);
const ROUND_MS = 1_500;
const CONCURRENCIES = [64, 1];
/** The unit of processor time in proc(5). */
const TICK_MS = 10;
const PROCESSES = ['gateway', 'device', 'nats-server'] as const;
type Costs = Record<(typeof PROCESSES)[number] | 'client', number>;

const served = await serveWithGateway();
const infer = `http://${served.http}/v2/models/gateway/infer`;
const WAYS: Readonly<Record<string, Omit<ClosedLoopConfig, 'concurrency' | 'subject'>>> = {
  nats: { url: served.nats },
  'http, bytes': { url: infer, format: 'open-inference' },
  'http, JSON': { url: infer, format: 'open-inference-json' },
  'grpc, bytes': { url: `grpc://${served.grpc}` },
};

/** Processor time so far of the serving processes. */
function servingMs(): Omit<Costs, 'client'> {
  const sums = { gateway: 0, device: 0, 'nats-server': 0 };
  for (const { pid, command } of descendants(process.pid)) {
    const role = PROCESSES.find((name) => command.includes(name === 'nats-server' ? name : `--role ${name}`));
    if (role === undefined) continue;
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    sums[role] += TICK_MS * (Number(fields[11]) + Number(fields[12]));
  }
  return sums;
}

async function startClient(config: ClosedLoopConfig) {
  const script = fileURLToPath(new URL('support/gateway/closed-loop.ts', import.meta.url));
  const child = fork(script, [JSON.stringify(config)], { execArgv: ['--import', 'tsx'] });
  await once(child, 'message');
  return {
    async run(ms: number): Promise<ClosedLoopResult & { costsUs: Costs }> {
      const before = servingMs();
      child.send({ ms });
      const [result] = (await once(child, 'message')) as [ClosedLoopResult];
      const after = servingMs();
      const per = (cpuMs: number): number => (1_000 * cpuMs) / result.requests;
      const costsUs = Object.fromEntries(PROCESSES.map((name) => [name, per(after[name] - before[name])])) as Costs;
      return { ...result, costsUs: { ...costsUs, client: per(result.cpuMs) } };
    },
    stop: () => child.disconnect(),
  };
}

const rows = [];
try {
  for (const concurrency of CONCURRENCIES) {
    const runs = [];
    for (const [way, config] of Object.entries(WAYS)) {
      const client = await startClient({ ...config, subject: 'cascade.gateway.infer', concurrency });
      runs.push({ way, client, qps: [] as number[], p50Ms: [] as number[], costs: [] as Costs[] });
    }
    // The first rounds are a warm-up.
    for (let round = -2; round < ROUNDS; round++) {
      for (const run of runs) {
        const { requests, seconds, latenciesMs, costsUs } = await run.client.run(ROUND_MS);
        if (round < 0) continue;
        run.qps.push(requests / seconds);
        run.p50Ms.push(median(latenciesMs));
        run.costs.push(costsUs);
      }
    }
    const [plain] = runs;
    for (const { way, client, qps, p50Ms, costs } of runs) {
      client.stop();
      const us = (name: keyof Costs): number => Math.round(median(costs.map((each) => each[name])));
      rows.push({
        concurrency,
        way,
        qps: Math.round(median(qps)),
        p50Ms: Number(median(p50Ms).toFixed(2)),
        ofNats: Number(median(qps.map((value, i) => value / plain.qps[i])).toFixed(2)),
        clientUs: us('client'),
        gatewayUs: us('gateway'),
        natsServerUs: us('nats-server'),
        deviceUs: us('device'),
      });
    }
  }
} finally {
  await served.close();
}
console.table(rows);
console.log(`written to ${writeResult('gateway', { rounds: ROUNDS, rows })}`);
