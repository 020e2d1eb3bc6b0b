import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { interval } from 'rxjs';
import { expect, test } from 'vitest';
import { createClient } from '../../actors/client/client.ts';
import { requestStatus } from '../../actors/operator/ask-status.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { realClock } from '../../engine/clock.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { profileAndPlan, runCascade, startCascade } from '../support/cascade.ts';
import { eventually } from '../support/eventually.ts';
import { fashionOnTwoDevices } from '../support/fashion.ts';
import { labelsBy, shiftedImages } from '../support/shifted-images.ts';

/** Sent over and over: a load that even a busy machine can sustain. */
const IMAGES = 400;
const EACH_MS = 50;
const AT_ONCE = 10;

test('inverted images: the audit finds the answers that the most accurate model disagrees with, and reports them', {
  timeout: 180_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cascade-audit-'));
  const server = await startNatsServer();
  const bus = await connectNats({ servers: server.url });
  // On a busy machine a device may look busy; it still audits only when nothing waits.
  const audit = 'audit: { share: 1, utilisation: 1, minSamples: 300, bound: 0.01 }\n';
  writeFileSync(
    join(folder, 'deployment.yaml'),
    fashionOnTwoDevices('audited', server.url, { qpsMax: 2_000, ranges: 2 }) + audit,
  );
  await profileAndPlan(folder);
  const serving = startCascade(['serve', folder, '--log-level', 'warn']);
  await serving.firstLine;

  const images = shiftedImages('inverted', IMAGES);
  const reference = await labelsBy('cnn-medium', images);
  const client = createClient(bus, realClock, { deployment: 'audited' });
  let answered = 0;
  let differ = 0;
  const load = interval(EACH_MS).subscribe((tick) => {
    for (let k = 0; k < AT_ONCE; k++) {
      const i = (tick * AT_ONCE + k) % IMAGES;
      client.infer({ image: images[i] }).then(
        ({ label }) => {
          answered++;
          if (label !== reference[i]) differ++;
        },
        // A refusal is not an answer.
        () => undefined,
      );
    }
  });
  const status = await eventually(
    async () => {
      const { drift } = await requestStatus(bus, subjectsOf('audited'));
      expect(drift?.audit?.reference).toBe('cnn-medium');
      expect(drift?.audit?.answered).toBeGreaterThan(2 * IMAGES);
      expect(drift?.audit?.lost).toBe(true);
      return drift!.audit!;
    },
    { timeout: 100_000, interval: 500 },
  );
  const { stdout } = await runCascade(['status', folder]);
  load.unsubscribe();
  expect(stdout).toContain('audit: accuracy is being lost: cnn-medium would answer');
  const truth = differ / answered;
  expect(truth).toBeGreaterThan(0.01);
  expect(status.disagreement!.low - 0.02).toBeLessThan(truth);
  expect(status.disagreement!.high + 0.02).toBeGreaterThan(truth);

  const { code, stderr } = await serving.stop();
  expect(code, stderr).toBe(0);
  await client.close();
  await server.stop();
  rmSync(folder, { recursive: true });
});
