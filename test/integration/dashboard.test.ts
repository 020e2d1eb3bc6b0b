import { mkdirSync } from 'node:fs';
import { connect, type NatsConnection } from 'nats';
import { type Browser, chromium, type Page } from 'playwright-core';
import { NEVER, startWith } from 'rxjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { statusActor } from '../../actors/controller/status.ts';
import { dashboardActor } from '../../actors/dashboard/dashboard.ts';
import { Operator } from '../../actors/dashboard/operator.ts';
import { type RunningActor, startActor } from '../../engine/actor/actor.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../engine/bus/nats-server.ts';
import { realClock } from '../../engine/clock.ts';
import { silentLogger } from '../../engine/log.ts';
import { encode } from '../../plans/protocol/codec.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { eventually } from '../support/eventually.ts';
import { operatorDeployment } from '../support/operator-deployment.ts';
import { type Plane, startPlane } from '../support/plane.ts';
import { planOf } from '../support/plans.ts';
import { findProgram } from '../support/programs.ts';

/** The actors over a real nats-server, and the dashboard in a real browser. `SCREENSHOTS=FOLDER` keeps screenshots. */
const subjects = subjectsOf('test');
const shots = process.env.SCREENSHOTS;
const executablePath = findProgram('chromium');
/** Requests that the small model is certain of, or that need the large one. */
const EASY = Uint8Array.of(1, 90, 90);
const HARD = Uint8Array.of(1, 10, 90);

let server: NatsServer;
let bus: Bus;
let client: NatsConnection;
let plane: Plane;
let actors: RunningActor[];
let url: string;
let slow = 1;

beforeAll(async () => {
  server = await startNatsServer();
  bus = await connectNats({ servers: server.url });
  client = await connect({ servers: server.url });
  const plan = planOf({
    models: ['small', 'large'],
    devices: ['d0', 'd1'],
    cascades: [['small', 'large'], ['small', 'large'], ['small']],
    stepQps: 60,
  });
  const start = { revision: 1, plan };
  await new Promise<void>((resolve) => {
    plane = startPlane(bus, realClock, plan, {
      frontend: { onReady: resolve },
      batchMs: (model, size) => slow * (model + 1) * size,
    });
  });
  const system = { bus, clock: realClock, log: silentLogger };
  const leading$ = NEVER.pipe(startWith(true));
  const status = startActor(statusActor({ deployment: 'test', subjects, start, leading$ }), system);
  const operator = new Operator(operatorDeployment(server.url), [server.url]);
  const about = { deployment: 'test', slo: { type: 'latency', p95Ms: 40 }, qpsMax: 180 } as const;
  url = await new Promise<string>((resolve) => {
    const address = { host: '127.0.0.1', port: 0 };
    const dashboard = startActor(dashboardActor({ subjects, about, address, operator, onReady: resolve }), system);
    actors = [dashboard, status];
  });
});

afterAll(async () => {
  for (const actor of [...actors, ...plane.frontends, ...plane.devices.values(), plane.keeper, plane.controller])
    await actor.stop(5_000);
  await client.close();
  await bus.close();
  await server.stop();
});

/** Sends requests at a rate until it is stopped; on a busy machine some are sent late. */
function traffic(qps: number): () => Promise<void> {
  const answers: Promise<unknown>[] = [];
  const startedAt = performance.now();
  const timer = setInterval(() => {
    for (const due = ((performance.now() - startedAt) * qps) / 1_000; answers.length < due; ) {
      const x = answers.length % 3 === 0 ? HARD : EASY;
      answers.push(client.request(subjects.infer, encode({ inputs: { x } }), { timeout: 20_000 }));
    }
  }, 10);
  return async () => {
    clearInterval(timer);
    await Promise.all(answers);
  };
}

const post = (action: string, body: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${url}/actions/${action}`, {
    method: 'POST',
    body,
    headers: { Origin: url, 'Content-Type': 'application/json', Authorization: `Basic ${btoa(':')}`, ...headers },
  });

const textOf = async (response: Response): Promise<string> => ((await response.json()) as { text: string }).text;

test('HEAD opens no page, so that any number of them leaves room for pages', async () => {
  for (let i = 0; i < 100; i++) expect((await fetch(`${url}/stream`, { method: 'HEAD' })).status).toBe(200);
  const page = new AbortController();
  expect((await fetch(`${url}/stream`, { signal: page.signal })).status).toBe(200);
  page.abort();
});

describe('orders', () => {
  test('from other sites, without credentials, or in another form are refused before they reach NATS', async () => {
    expect((await post('rollback', '{}', { Origin: 'https://elsewhere.example' })).status).toBe(403);
    expect((await post('rollback', '{}', { 'Content-Type': 'text/plain' })).status).toBe(415);
    expect((await post('rollback', '{}', { Authorization: '' })).status).toBe(401);
    expect((await post('rollback', '{"revision": "2"}')).status).toBe(400);
    const noPlan = await post('push', '{}');
    expect(noPlan.status).toBe(400);
    expect(await textOf(noPlan)).toContain('the plan');
  });

  test('that the plan-keeper rejects come back with its reason', async () => {
    const response = await post('rollback', '{}');
    expect(response.status).toBe(409);
    expect(await textOf(response)).toContain('there is no revision 0 to roll back to');
  });
});

describe('a gear', () => {
  test('is pinned and released with one order each', async () => {
    const pinned = await post('pin', '{"gear": 1, "forMs": 600000}');
    expect([pinned.status, await textOf(pinned)]).toEqual([200, expect.stringMatching(/^gear 1 is pinned until 20/)]);
    expect((await post('pin', '{"gear": 99}')).status).toBe(409);
    expect((await post('pin', '{}')).status).toBe(400);
    expect(await textOf(await post('unpin', '{}'))).toBe('the load chooses the gear');
  });
});

describe.skipIf(executablePath === undefined)('in a browser', () => {
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    page = await browser.newPage({ viewport: { width: 1280, height: 900 }, colorScheme: 'light' });
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(url);
  });

  afterAll(async () => {
    await browser?.close();
  });

  const shoot = async (name: string, of = page): Promise<void> => {
    if (shots === undefined) return;
    mkdirSync(shots, { recursive: true });
    await of.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
  };
  const read = async (selector: string): Promise<string> => (await page.locator(selector).textContent()) ?? '';

  test('shows the current load, gear, latency, answers and devices', async () => {
    const stop = traffic(30);
    await eventually(async () => {
      expect(await read('#connection')).toContain('plan revision 1');
      expect(Number.parseFloat(await read('#load'))).toBeGreaterThan(0);
      expect(await read('#gear')).toBe('0 of 3');
      expect(await read('#p95')).toMatch(/ms$/);
      expect(await read('#devices')).toMatch(/d0[\s\S]*ready[\s\S]*small \d+, large \d+[\s\S]*d1/);
      expect(await read('#gears')).toContain('120 – 180');
      expect(await read('#chart-answers')).toContain('large');
    });
    await shoot('calm-light');
    await stop();
  });

  test('shows a spike: the new gear, and why', async () => {
    const stop = traffic(170);
    await eventually(async () => {
      expect(await read('#gear')).toBe('2 of 3');
      expect(await read('#events')).toMatch(/gear \d to 2, by load: \d+ requests\/s/);
    });
    await shoot('spike-light');
    await stop();
  });

  test('shows a slow device and a lost one', async () => {
    slow = 6;
    const stop = traffic(30);
    await eventually(async () =>
      expect(Number.parseFloat(await read('#devices tr:first-child td:nth-child(4)'))).toBeGreaterThan(1.3),
    );
    await shoot('slow-light');
    slow = 1;
    await plane.devices.get('d1')?.stop(5_000);
    await eventually(async () => {
      expect(await read('#devices')).toMatch(/d1\s*no heartbeat/);
      expect(await read('#events')).toContain('device-lost d1');
    });
    await shoot('lost-light');
    await stop();
  });

  test('works with the keyboard, and shows the verdict', async () => {
    await page.keyboard.press('o');
    await page.locator('#operator').waitFor({ state: 'visible' });
    await page.locator('#revision').fill('7');
    await page.keyboard.press('Enter');
    await eventually(async () => expect(await read('#verdict')).toContain('there is no revision 7'));
    await shoot('operate-light');
    await page.keyboard.press('Escape');
    await page.locator('#operator').waitFor({ state: 'hidden' });
    await page.keyboard.press('p');
    await eventually(async () => expect(await read('#pause')).toBe('Resume'));
    await page.keyboard.press('p');
  });

  test('tries again when the server refuses it for now', async () => {
    const late = await browser.newPage();
    await late.route('**/stream', (route) => route.fulfill({ status: 503, body: '100 pages are already open' }));
    await late.goto(url);
    await eventually(async () => expect(await late.locator('#connection').textContent()).toContain('refuses this page'));
    await late.unroute('**/stream');
    await eventually(async () => expect(await late.locator('#connection').textContent()).toContain('live'));
    await late.close();
  });

  test('shows the seconds that it drew while it is paused, although newer ones arrive', async () => {
    const paused = await browser.newPage();
    /** Each snapshot has its own hundred of answers per second. */
    let hundred = 100;
    await paused.route('**/stream', (route) => {
      const seconds = Array.from({ length: 60 }, (_, i) => ({
        ...{ at: 1_000 * i, qps: 0, gear: 0, latencyMs: null, unserved: 0, utilisation: {}, slowdown: {}, queued: {} },
        answers: { small: hundred + i },
      }));
      const about = { deployment: 'test', slo: { type: 'latency', p95Ms: 40 }, qpsMax: 180 };
      const snapshot = { about, seconds, happenings: [], status: null, problem: `snapshot ${hundred}` };
      return route.fulfill({
        contentType: 'text/event-stream',
        body: `retry: 10\nevent: snapshot\ndata: ${JSON.stringify(snapshot)}\n\n`,
      });
    });
    await paused.goto(url);
    const legend = async (): Promise<string> => (await paused.locator('#chart-answers .u-legend').textContent()) ?? '';
    await eventually(async () => expect(await legend()).toMatch(/small\D*159/));
    await paused.keyboard.press('p');
    hundred = 500;
    await eventually(async () => expect(await paused.locator('#connection').textContent()).toContain('snapshot 500'));
    await paused.locator('#chart-answers .u-over').hover();
    await eventually(async () => expect(await legend()).not.toMatch(/small\D*159/));
    expect(await legend()).toMatch(/small\D*1[23]\d/);
    await paused.close();
  });

  test('has a dark mode, and fits a phone without scrolling sideways', async () => {
    await page.keyboard.press('t');
    await page.keyboard.press('t');
    expect(await read('#theme')).toBe('Theme: dark');
    await shoot('dark');
    const phone = await browser.newPage({ viewport: { width: 375, height: 800 }, colorScheme: 'dark', deviceScaleFactor: 2 });
    await phone.goto(url);
    await phone.locator('#chart-speed .uplot').waitFor();
    await shoot('phone-dark', phone);
    expect(await phone.evaluate('document.documentElement.scrollWidth')).toBe(375);
    await phone.close();
  });

  test('caused no errors in the browser', () => {
    // The browser counts the refused order as an error.
    expect(complaints.filter((text) => !text.includes('409'))).toEqual([]);
  });
});
