import { expect, test } from 'vitest';
import { generatorLag, isVoid } from '../../../../plans/report/generator-lag.ts';
import { ReportBuilder } from '../../../../plans/report/report-builder.ts';
import { reportTable } from '../../../../plans/report/report-table.ts';

test('the lag is reported as percentiles; if nothing was sent, there is none', () => {
  expect(generatorLag(Float64Array.from({ length: 200 }, (_, i) => 200 - i))).toEqual({ p50: 100, p99: 198, max: 200 });
  expect(generatorLag(new Float64Array(0))).toBeNull();
});

test('a run is void from a lag above 2 ms or 1 % of the latency SLO, whichever is larger', () => {
  const lag = (p99: number) => ({ p50: 0, p99, max: 1_000 });
  expect(isVoid(lag(2), 100)).toBe(false);
  expect(isVoid(lag(2.1), 100)).toBe(true);
  expect(isVoid(lag(2.1), undefined)).toBe(true);
  expect(isVoid(lag(2.1), 400)).toBe(false);
  expect(isVoid(lag(4.1), 400)).toBe(true);
  expect(isVoid(null, 100)).toBe(false);
});

test('the table of a void run says that it is void, and why', () => {
  const builder = new ReportBuilder({ type: 'latency', p95Ms: 100 }, 0);
  builder.add(0, 5, 1, 'completed');
  const late = builder.build({ generatorLagMs: { p50: 0.1, p99: 7.25, max: 30 } });
  const simulated = builder.build();
  const text = reportTable({ measured: late, simulated });
  expect(text).toContain('0.10 / 7.25 / 30.00');
  expect(text).toMatch(/^VOID \(measured\): .* 7\.25 ms late/m);
  expect(text).not.toContain('VOID (simulated)');
  expect(simulated).toMatchObject({ generatorLagMs: null, void: false });
});
