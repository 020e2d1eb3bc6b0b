/**
 * Fairness: one client sends 6,000 requests/s with deadlines of 600 s, four times the capacity of the deployment; 50 others send 2/s
 * with deadlines of 2 s. Emulated devices behind a real nats-server. Prints how many requests of each side are answered in time.
 *
 * Usage: npm run bench:fairness [-- seconds]
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { decodeAnswers } from '../../actors/client/answers.ts';
import { createClient } from '../../actors/client/client.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { realClock } from '../../engine/clock.ts';
import { encode } from '../../plans/protocol/codec.ts';
import { isFailure } from '../../plans/protocol/messages.ts';
import { profileAndPlan, startCascade } from '../support/cascade.ts';
import { writeResult } from './machine.ts';

const SECONDS = Number(process.argv[2] ?? 20);
const GREEDY = { qps: 6_000, deadlineMs: 600_000, turnMs: 10 };
const OTHERS = { clients: 50, qps: 2, deadlineMs: 2_000 };
/** Two devices with batches of up to 32 in 42 ms. */
const DEPLOYMENT = `name: fairness
synthetic:
  models: [ { name: only, accuracy: 0.9, fixed: 10ms, perSample: 1ms, memory: 1GB } ]
  samples: 1000
  batches: [1, 2, 4, 8, 16, 32]
devices:
  - { id: a, kind: emulated, like: gpu, memory: 16GB }
  - { id: b, kind: emulated, like: gpu, memory: 16GB }
slo: { p95: 400ms }
load: { qpsMax: 1200, ranges: 1 }
`;

const folder = mkdtempSync(join(tmpdir(), 'cascade-fairness-'));
const server = await startNatsServer();
const file = join(folder, 'deployment.yaml');
writeFileSync(file, DEPLOYMENT);
await profileAndPlan(folder);
const serving = startCascade(['serve', file, '--nats', server.url, '--log-level', 'warn']);
try {
  process.stderr.write(`${await serving.firstLine}\n`);
  const [flood, bus] = await Promise.all([connectNats({ servers: server.url }), connectNats({ servers: server.url })]);
  const greedy = { sent: 0, answered: 0, refused: 0 };
  flood.messages$('_INBOX.greedy.*').subscribe(({ data }) => {
    for (const answer of decodeAnswers(data)) greedy[isFailure(answer) ? 'refused' : 'answered']++;
  });
  const inputs = { sample: new Uint8Array(Int32Array.of(1).buffer) };
  const beganAt = performance.now();
  const flooding = setInterval(() => {
    const due = Math.floor(((performance.now() - beganAt) / 1_000) * GREEDY.qps) - greedy.sent;
    const frame = Array.from({ length: due }, () => ({ inputs, deadlineMs: GREEDY.deadlineMs, id: `g${greedy.sent++}` }));
    if (due > 0) flood.publish('cascade.fairness.infer', encode(frame), { reply: `_INBOX.greedy.${greedy.sent}` });
  }, GREEDY.turnMs);
  const others = { sent: 0, inTime: 0, errors: {} as Record<string, number> };
  await Promise.all(
    Array.from({ length: OTHERS.clients }, async (_, i) => {
      const client = createClient(bus, realClock, { deployment: 'fairness', name: `other${i}` });
      await setTimeout((1_000 / OTHERS.qps) * (i / OTHERS.clients));
      const waiting: Promise<void>[] = [];
      for (let k = 0; k < SECONDS * OTHERS.qps; k++) {
        others.sent++;
        const asked = client.infer({ sample: Int32Array.of(i) }, { deadlineMs: OTHERS.deadlineMs }).then(
          () => void others.inTime++,
          (error: Error & { code?: string }) => {
            const code = error.code ?? error.message;
            others.errors[code] = (others.errors[code] ?? 0) + 1;
          },
        );
        waiting.push(asked);
        await setTimeout(1_000 / OTHERS.qps);
      }
      await Promise.all(waiting);
    }),
  );
  clearInterval(flooding);
  const result = { seconds: SECONDS, greedy, others, inTimeShare: others.inTime / others.sent };
  console.log(result);
  console.log(`written to ${writeResult('fairness', result)}`);
  await Promise.all([flood.close(), bus.close()]);
} finally {
  process.stderr.write((await serving.stop()).stderr);
  await server.stop();
  rmSync(folder, { recursive: true });
}
