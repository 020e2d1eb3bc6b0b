import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { Picture, type Second } from '../../../../actors/observer/picture.ts';
import { describeSecond, drawScreen, type Scene } from '../../../../actors/watch/screen.ts';

const second = (fields: Partial<Second> = {}): Second => ({
  at: Date.parse('2026-01-01T12:00:00'),
  qps: 412.4,
  gear: 2,
  latencyMs: { p50: 12, p95: 34.5, p99: 48 },
  answers: { small: 300, large: 100 },
  unserved: 0,
  utilisation: { d0: 0.625 },
  slowdown: { d0: 1 },
  queued: { d0: 0 },
  ...fields,
});

const scene = (fields: Partial<Scene> = {}): Scene => ({
  deployment: 'test',
  slo: { type: 'latency', p95Ms: 50 },
  qpsMax: 600,
  seconds: [second({ qps: 0 }), second({ qps: 210 }), second()],
  happenings: [
    { at: second().at, type: 'device-lost', text: 'device-lost d1' },
    { at: second().at, type: 'device-back', text: 'device-back d1' },
  ],
  status: null,
  problem: 'nobody listens',
  ...fields,
});

const drawn = (size = { columns: 100, rows: 40 }, fields: Partial<Scene> = {}): string[] =>
  drawScreen(scene(fields), size).map((line) => stripVTControlCharacters(line));

test('shows load, latency against the SLO, answers by model, and events, newest first', () => {
  const text = drawn().join('\n');
  expect(text).toContain('no controller answers: nobody listens');
  expect(text).toMatch(/load +412\/s +of 600 planned/);
  expect(text).toMatch(/▁▅█/);
  expect(text).toMatch(/p95 +34\.5 ms +SLO 50 ms; p50 12 ms, p99 48 ms/);
  expect(text).toMatch(/small +300\/s +█{15}\n/);
  expect(text.indexOf('device-back d1')).toBeLessThan(text.indexOf('device-lost d1'));
});

test('marks unknown figures as unknown, and fits the terminal', () => {
  const calm = { seconds: [second({ gear: null, latencyMs: null, answers: {}, qps: 0 })] };
  expect(drawn(undefined, calm).join('\n')).toMatch(/gear +-/);
  const happenings = Array.from({ length: 200 }, () => ({ at: 0, type: 'x', text: 'y'.repeat(300) }));
  const small = drawn({ columns: 64, rows: 20 }, { happenings });
  expect(small).toHaveLength(19);
  for (const line of small) expect(line.length).toBeLessThanOrEqual(64);
});

test('writes no control characters of events, model names and problems', () => {
  const hostile = 'a\x1b[2Jb\x1b]0;title\x07\nc';
  const picture = new Picture();
  picture.event({ type: 'plan-rejected', revision: 1, reason: hostile }, 0);
  const fields = {
    happenings: picture.happenings,
    seconds: [second({ answers: { [hostile]: 1 } })],
    problem: hostile,
  };
  for (const line of drawScreen(scene(fields), { columns: 100, rows: 40 })) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: our own colours.
    expect(line.replace(/\x1b\[\d+m/g, '')).not.toMatch(/\p{Cc}/u);
  }
});

test('shows a second in one line', () => {
  expect(describeSecond(second())).toBe('12:00:00  load 412/s  gear 2  p95 34.5 ms  no result 0/s  busy: d0 63 %');
});
