import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { startNatsServer } from '../../engine/bus/nats-server.ts';
import { cascadeJson, runCascade, startCascade } from '../support/cascade.ts';
import { descendants } from '../support/processes.ts';

const DEPLOYMENT = 'conf/synthetic/llama-like';
const folder = mkdtempSync(join(tmpdir(), 'cascade-secrets-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('the password in a server URL works, and shows neither in the output nor in the process list', async () => {
  const configFile = join(folder, 'server.conf');
  writeFileSync(configFile, 'authorization { user: joe, password: "8271" }\n');
  const [profile, plan] = [join(folder, 'profile.json'), join(folder, 'plan.json')];
  await cascadeJson(['profile', DEPLOYMENT, '--out', profile]);
  await cascadeJson(['plan', DEPLOYMENT, '--profile', profile, '--out', plan, '--ranges', '4']);
  const server = await startNatsServer({ configFile });
  const address = server.url.replace('nats://', '');
  const env = { CASCADE_NATS: `nats://joe:8271@${address}` };
  const serving = startCascade(['serve', DEPLOYMENT, '--profile', profile, '--plan', plan], { env });
  try {
    expect(await serving.firstLine).toContain(`on nats://${address}`);
    const started = descendants(serving.process.pid!);
    expect(started.length).toBeGreaterThan(1);
    const shown = execFileSync('ps', ['-ww', '-o', 'args=', '-p', started.map(({ pid }) => pid).join(',')], { encoding: 'utf8' });
    const status = await runCascade(['status', DEPLOYMENT], { env });
    expect(status.code, status.stderr).toBe(0);
    const refused = await runCascade(['status', DEPLOYMENT, '--nats', `nats://joe:99127@${address}`]);
    expect(refused.stderr).toContain(`the NATS server at nats://${address}`);
    expect(refused.stderr).not.toContain('99127');
    const { stdout, stderr } = await serving.stop();
    expect(`${shown}${stdout}${stderr}${status.stdout}`).not.toContain('8271');
  } finally {
    await serving.stop();
    await server.stop();
  }
});
