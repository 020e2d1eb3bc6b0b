import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { KERNEL, writeAudioFamily } from '../fixtures/audio-family.ts';
import { cascadeJson, runCascade, startCascade } from '../support/cascade.ts';

/** A model whose convolution is wider than made-up warm-up samples would be. */

const folder = mkdtempSync(join(tmpdir(), 'cascade-audio-'));
const profile = join(folder, 'profile.json');
let server: NatsServer;

beforeAll(async () => {
  server = await startNatsServer();
  writeAudioFamily(folder);
  await cascadeJson(['profile', folder, '--quick']);
  await cascadeJson(['plan', folder]);
});

afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true });
});

test('it is warmed up with samples from the data, and serves', async () => {
  const serving = startCascade(['serve', folder, '--nats', server.url]);
  expect(await serving.firstLine).toMatch(/^cascade audio is ready/);
  const end = await serving.stop();
  expect(end.code, end.stderr).toBe(0);
});

test('if its samples do not fit into a message of the server, `serve` says which setting to change', async () => {
  const configFile = join(folder, 'nats.conf');
  writeFileSync(configFile, 'max_payload: 4500');
  const narrow = await startNatsServer({ configFile });
  try {
    const end = await runCascade(['serve', folder, '--nats', narrow.url]);
    expect(end.code, end.stderr).toBe(2);
    expect(end.stderr).toMatch(/samples take .* as tensors, and the NATS server takes .*: set `max_payload: 1MB` in its conf/);
  } finally {
    await narrow.stop();
  }
});

test('if it cannot run, `serve` ends with the error of the model instead of waiting for ever', async () => {
  const written = readFileSync(profile, 'utf8');
  const plain = JSON.parse(written) as { warmUp: { shape: number[]; base64?: string }[][] };
  // As if this machine could not run what the profiling machine could.
  plain.warmUp = [[{ shape: [1, KERNEL - 1] }]];
  writeFileSync(profile, JSON.stringify(plain));
  try {
    const end = await runCascade(['serve', folder, '--nats', server.url]);
    expect(end.code, end.stderr).toBe(2);
    expect(end.stderr).toMatch(/device cpu0 cannot run model filter on samples that it was profiled with: .*Conv/);
    expect(end.stdout).toBe('');
  } finally {
    writeFileSync(profile, written);
  }
});

test('`load` fails if nothing is answered, and says so; it needs no profile', async () => {
  rmSync(profile);
  const end = await runCascade(['load', folder, '--nats', server.url, '--qps', '5', '--seconds', '1']);
  expect(end.code, end.stderr).toBe(1);
  expect(end.stderr).toMatch(/none of \d+ requests was completed|no request was sent/);
});
