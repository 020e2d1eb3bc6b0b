import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { DemoReport } from '../../actors/demo/run-demo.ts';
import { type Cascade, startCascade } from '../support/cascade.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { alive, descendants } from '../support/processes.ts';
import { expectNothingLost, expectReportFields } from '../support/report-fields.ts';

const folder = mkdtempSync(join(tmpdir(), 'cascade-demo-'));

afterAll(() => rmSync(folder, { recursive: true }));

/** Without a profile from an earlier run it makes one first. */
const WITH_PROFILE_MS = 240_000;

test(
  'cascade demo goes through from profile to report',
  async () => {
    const json = join(folder, 'demo.json');
    const { code, stdout, stderr } = await startCascade(['demo', '--seconds', '8', '--json', json]).ended;
    expect(code, stderr).toBe(0);
    const report = JSON.parse(readFileSync(json, 'utf8')) as DemoReport;

    expectReportFields(report, [
      'simulated',
      'gears',
      'expectedAccuracy',
      'expectedAccuracyInterval',
      'answersByModel',
      'largestModelAloneQps',
      'peakQps',
    ]);
    expect(report.completed + report.rejected + report.errors + report.lost).toBe(report.offered);
    // If other work on the machine delays the generator itself, it also delays answers beyond their deadline, and heartbeats until
    // the device is thought lost.
    if (!report.void) expect(report).toMatchObject({ rejected: 0, errors: 0, lost: 0, duplicates: 0 });
    // The same trace, so the same arrivals.
    expectNothingLost(report.simulated);
    expect(report.simulated.offered).toBe(report.offered);
    // The crowd comes and goes in 8 seconds, through more than one gear.
    const seconds = Object.values(report.gears);
    expect(seconds.length).toBeGreaterThan(1);
    expect(seconds.reduce((sum, inForce) => sum + inForce, 0)).toBeCloseTo(report.seconds, -1);
    expect(Object.values(report.answersByModel).reduce((sum, answers) => sum + answers, 0)).toBe(report.completed);
    // Which gear serves at a moment depends on the machine; their overall accuracy depends on the plan. The thousands of images
    // are not those planned with, so their accuracy differs by about half a point.
    expect(Math.abs(report.accuracy! - report.expectedAccuracy)).toBeLessThan(0.02);

    const [low, high] = report.expectedAccuracyInterval;
    const inside = low <= report.accuracy! && report.accuracy! <= high;
    expect(stdout).toMatch(
      inside ? /measured: [\d.]+ % \(.* samples\), within it\./ : /measured: [\d.]+ % \(.* samples\), outside it, /,
    );
    expect(stdout).toContain('measured, live');
    for (const step of ['1/4 Profile', '2/4 Plan', '3/4 Serve', '4/4 Replay 8 seconds']) expect(stderr).toContain(step);
  },
  WITH_PROFILE_MS,
);

describe('in the middle of its replay', () => {
  test.each<[NodeJS.Signals, number | null]>([
    ['SIGINT', 130],
    ['SIGKILL', null],
  ])(
    '%s ends it and its dashboard, and no process is left behind',
    async (signal, code) => {
      const dashboard = `http://127.0.0.1:${await freePort()}`;
      const demo = startCascade(['demo', '--seconds', '600', '--dashboard', new URL(dashboard).host]);
      await replaying(demo);
      expect(demo.stderr()).toContain(`dashboard at ${dashboard}`);
      expect(await (await fetch(dashboard)).text()).toContain('<title>CascadeServe</title>');
      const started = descendants(demo.process.pid!);
      // The server, `serve`, and the processes it has started: a frontend and a device.
      expect(started.map(({ command }) => command)).toEqual(
        expect.arrayContaining([
          expect.stringContaining('nats-server'),
          expect.stringMatching(/ serve .*--role controller/),
          expect.stringMatching(/ serve .*--role device/),
        ]),
      );
      demo.process.kill(signal);
      const end = await demo.ended;
      expect(end.code, end.stderr).toBe(code);
      // The runtime's message for a process that exits in the middle of an inference.
      expect(end.stderr).not.toContain('terminate called');
      await eventually(() => expect(alive(started)).toEqual([]), { timeout: 40_000, interval: 100 });
    },
    WITH_PROFILE_MS,
  );
});

/** Resolves when the first second of the replay is shown. */
async function replaying(demo: Cascade): Promise<void> {
  let ended = false;
  void demo.ended.then(() => {
    ended = true;
  });
  await eventually(
    () => {
      if (!ended) expect(demo.stderr()).toMatch(/4\/4 Replay[\s\S]*\n +0 +\d+ /);
    },
    { timeout: WITH_PROFILE_MS - 60_000, interval: 50 },
  );
  expect(ended, `the demo ended before it was asked to:\n${demo.stderr()}`).toBe(false);
}
