/**
 * Compares this project with the alternatives: Ray Serve, LitServe, BentoML, mosec, Triton and a hand-written loop. All use the same ONNX
 * models of conf/fashion, one inference thread, the same cores and the same load generator (test/bench/support/generator, which speaks
 * NATS and HTTP), and run one after the other in each round. The peers run a fixed cascade of two models; so does one of our
 * contenders, for equal accuracy.
 *
 * Environments are set up once from PyPI in .cache/peers. A peer that cannot be installed or does not start is skipped, with a message.
 * On a machine with more cores, give all of them the same two: taskset -c 0,1 npm run bench:peers
 *
 * Usage: npm run bench:peers [-- OPTIONS]
 *   --parts light,max,crowd   latency at light load; highest load with 99 % within 100 ms; a flash crowd
 *   --only NAME,...      contenders whose names contain one of these
 *   --rounds N           rounds, of which the table shows medians; 2
 *   --seconds N          measured seconds of each run; 8
 *   --from N             requests per second at which the search starts; 2000
 *   --precision N        of the search; 0.1
 *   --light N            requests per second of the light load; 200
 *   --crowd N            of the crowd, 10 s long between 10 s of 500/s; 4000
 *   --batch N            largest batch of the peers; 64
 *   --wait N             longest wait of their batches, in milliseconds; 1
 *   --python FILE        interpreter for their environments; /usr/bin/python3, else python3
 *   --folder DIR         keeps our profile and plan here and reuses existing ones
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Stage } from '../../../plans/domain/gear-plan/gear-plan.ts';
import { writeResult } from '../machine.ts';
import {
  buildHandwritten,
  type Contender,
  handwritten,
  prepareTree,
  served,
  servedWithOneGear,
} from '../support/promise/contender.ts';
import { behindGateway } from './gateway.ts';
import { measurePeer, PARTS, type Part, type PeerRun } from './measure-peer.ts';
import { peerTable } from './peer-table.ts';
import { findPeers, lastLine } from './python-peers.ts';

const STAGES: readonly Stage[] = [{ model: 'cnn-small', threshold: 0.9 }, { model: 'resnet' }];
const DEBIAN_PYTHON = '/usr/bin/python3';

const { values } = parseArgs({
  options: {
    parts: { type: 'string', default: PARTS.join() },
    only: { type: 'string', default: '' },
    rounds: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '8' },
    from: { type: 'string', default: '2000' },
    precision: { type: 'string', default: '0.1' },
    light: { type: 'string', default: '200' },
    crowd: { type: 'string', default: '4000' },
    batch: { type: 'string', default: '64' },
    wait: { type: 'string', default: '1' },
    python: { type: 'string', default: existsSync(DEBIAN_PYTHON) ? DEBIAN_PYTHON : 'python3' },
    folder: { type: 'string' },
  },
});

function positive(option: 'rounds' | 'seconds' | 'from' | 'precision' | 'light' | 'crowd'): number {
  const value = Number(values[option]);
  if (!(value > 0)) throw new Error(`--${option}: ${values[option]}; give a number above 0`);
  return value;
}

function partsOf(text: string): Part[] {
  return text.split(',').map((name) => {
    const part = PARTS.find((known) => known === name);
    if (part === undefined) throw new Error(`--parts: ${name}; give some of ${PARTS.join(', ')}`);
    return part;
  });
}

const only = values.only.split(',').filter(Boolean);
const settings = {
  parts: partsOf(values.parts),
  seconds: positive('seconds'),
  fromQps: positive('from'),
  precision: positive('precision'),
  lightQps: positive('light'),
  crowdQps: positive('crowd'),
};
const rounds = positive('rounds');
const into = values.folder === undefined ? mkdtempSync(join(tmpdir(), 'cascade-peers-')) : resolve(values.folder);
mkdirSync(into, { recursive: true });
try {
  const own = await ownContenders();
  const peers = await findPeers({
    python: values.python,
    environments: resolve('.cache/peers'),
    stages: STAGES,
    batch: values.batch,
    waitMs: values.wait,
    only,
  });
  const skipped: Record<string, string> = { ...peers.skipped };
  const contenders = [...own, ...peers.contenders];
  const runs: PeerRun[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
      if (Object.hasOwn(skipped, contender.name)) continue;
      try {
        runs.push(await measurePeer(contender, round, settings));
      } catch (error) {
        skipped[contender.name] = lastLine((error as Error).message);
      }
    }
  }
  console.log(peerTable(runs, settings));
  for (const [name, why] of Object.entries(skipped)) console.log(`${name}: skipped: ${why}`);
  const { batch, wait } = values;
  const file = writeResult('peers', { ...settings, rounds, batch, waitMs: wait, stages: STAGES, skipped, runs });
  console.log(`written to ${file}`);
} finally {
  if (values.folder === undefined) rmSync(into, { recursive: true });
}

async function ownContenders(): Promise<Contender[]> {
  const names = ['gears', 'one gear', 'gears, by HTTP', 'one gear, by HTTP', 'hand-written loop'];
  const wanted = names.filter((name) => only.length === 0 || only.some((part) => name.includes(part)));
  if (wanted.length === 0) return [];
  const tree = await prepareTree('this', resolve('.'), into, undefined);
  await buildHandwritten();
  const gears = served('gears', tree);
  const oneGear = servedWithOneGear('one gear', tree, STAGES, into);
  const byGateway = behindGateway(tree);
  const all = [gears, oneGear, byGateway(gears), byGateway(oneGear), handwritten('hand-written loop', STAGES, values.batch)];
  return all.filter(({ name }) => wanted.includes(name));
}
