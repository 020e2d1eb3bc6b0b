import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Status } from '../../actors/controller/status-report.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { type Cascade, cascadeJson, startCascade } from '../support/cascade.ts';
import { planWithSmallerB, writeEmulatedPair } from '../support/emulated-pair.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { findProgram } from '../support/programs.ts';

/** An operator gives each order of the dashboard in a real browser; the deployment obeys, as its status shows. */
const executablePath = findProgram('chromium');

describe.skipIf(executablePath === undefined)('an order given in the browser', { timeout: 300_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'cascade-orders-'));
  let server: NatsServer;
  let serving: Cascade;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    server = await startNatsServer();
    await writeEmulatedPair(folder, { name: 'orders', nats: `{ servers: ["${server.url}"] }` });
    await planWithSmallerB(folder);
    appendFileSync(join(folder, 'deployment.yaml'), 'drift: { minSamples: 5 }\n');
    const address = `127.0.0.1:${await freePort()}`;
    serving = startCascade(['serve', folder, '--dashboard', address, '--log-level', 'warn']);
    await serving.firstLine;
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    page = await browser.newPage();
    await page.goto(`http://${address}`);
    await eventually(async () => expect(await page.locator('#connection').textContent()).toContain('plan revision 1'));
    await page.keyboard.press('o');
    await page.locator('#operator').waitFor({ state: 'visible' });
  }, 300_000);

  afterAll(async () => {
    await browser?.close();
    const end = await serving?.stop();
    await server?.stop();
    rmSync(folder, { recursive: true });
    expect(end?.code, end?.stderr).toBe(0);
  });

  const status = () => cascadeJson<Status>(['status', folder]);

  /** @returns the verdict that the page shows. */
  async function give(action: string): Promise<string> {
    await page.locator(`input[name=action][value=${action}]`).check();
    const answered = page.waitForResponse(/actions/, { timeout: 0 });
    await page.locator('#send').click();
    await answered;
    const verdict = page.locator('#verdict');
    await eventually(async () => expect(await verdict.getAttribute('data-state')).toMatch(/good|bad/));
    return (await verdict.textContent()) ?? '';
  }

  test('puts the plan of a file in force', async () => {
    await page.locator('#plan').setInputFiles(join(folder, 'smaller-plan.json'));
    expect(await give('push')).toBe('revision 2 is in force');
    expect((await status()).revision).toBe(2);
  });

  test('goes back to the plan before', async () => {
    expect(await give('rollback')).toBe('revision 3 is in force');
    expect((await status()).revision).toBe(3);
  });

  test('holds a gear, and releases it', async () => {
    await page.locator('#pin').fill('1');
    expect(await give('pin')).toContain('gear 1 is pinned');
    await eventually(async () => expect((await status()).gear).toMatchObject({ index: 1, pinned: {} }));
    expect(await give('unpin')).toBe('the load chooses the gear');
    await eventually(async () => expect((await status()).gear).toMatchObject({ pinned: null }));
  });

  test('plans for the load that was measured', async () => {
    await cascadeJson(['load', folder, '--qps', '120', '--seconds', '10']);
    await eventually(async () => expect((await status()).drift?.qps).toBeDefined());
    expect(await give('replan')).toBe('revision 4 is in force');
    expect((await status()).revision).toBe(4);
  });
});
