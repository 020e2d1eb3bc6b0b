import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { Measures } from '../../../../actors/device/measures.ts';
import { Exposition } from '../../../../actors/metrics/exposition.ts';
import { Observations } from '../../../../actors/metrics/observations.ts';
import type { GearBasis, LoadReport } from '../../../../plans/protocol/control-messages.ts';
import type { DriftReport } from '../../../../plans/protocol/drift-report.ts';
import { deviceState } from '../../../support/plans.ts';
import { findProgram } from '../../../support/programs.ts';

/** @param startedAt by default so long ago that all that is heard now has started since. */
const observations = (startedAt = -10_000): Observations =>
  new Observations(
    { name: 'test', version: '1.2.3', devices: ['d0', 'd1'], slo: { type: 'latency', p95Ms: 50 }, qpsMax: 400 },
    startedAt,
  );

function textOf(observed: Observations, now = 0, drops = {}): string {
  const exposition = new Exposition();
  observed.write(exposition, now, drops);
  return exposition.toString();
}

const load = (fields: Partial<LoadReport> = {}): LoadReport => ({
  frontend: 'f',
  pid: 1,
  intervalMs: 100,
  arrivals: 3,
  ...fields,
});
const basis: GearBasis = {
  rule: 'backlog',
  qps: 1,
  lowQps: 1,
  highQps: 1,
  scale: 1,
  slowdown: 1,
  firstQueue: 0,
  backlog: 0,
  excess: 0,
  waitMs: 0,
};

test('describes the deployment even before the first message', () => {
  const text = textOf(observations());
  expect(text).toContain('cascade_build_info{deployment="test",version="1.2.3"} 1\n');
  expect(text).toContain('cascade_slo_latency_seconds 0.05\n');
  expect(text).toContain('cascade_load_max_requests_per_second 400\n');
  expect(text).toContain('cascade_device_up{device="d0"} 0\n');
  expect(text).toContain('cascade_device_up{device="d1"} 0\n');
  expect(text).not.toContain('cascade_gear{');
});

test('arrivals and requests without a result keep growing when frontends restart; silent frontends are not counted', () => {
  const observed = observations();
  observed.load(load({ unserved: { overloaded: 2 } }), 0);
  observed.load(load({ frontend: 'g', unserved: { overloaded: 1, invalid: 1 } }), 0);
  expect(textOf(observed)).toContain('cascade_load_requests_per_second 60\n');
  observed.load(load({ frontend: 'h', unserved: { overloaded: 1 } }), 5_000);
  const text = textOf(observed, 5_000);
  expect(text).toContain('cascade_requests_total 9\n');
  expect(text).toContain('cascade_frontends 1\n');
  expect(text).toContain(
    'cascade_unserved_requests_total{role="frontend",kind="refused",reason="overloaded",code="RESOURCE_EXHAUSTED"} 4\n',
  );
  expect(text).toContain(
    'cascade_unserved_requests_total{role="frontend",kind="refused",reason="invalid",code="INVALID_ARGUMENT"} 1\n',
  );
});

test('an exporter that restarts does not count again what roles counted before', () => {
  const observed = observations(0);
  const figures = () => textOf(observed).match(/(?<=^cascade_(unserved|dropped).*} )\d+$/gm);
  const report = (counted: number, now: number): void => {
    const counts = { unserved: { deadly: counted }, dropped: { 'work: id': counted } };
    observed.state(deviceState(counts), now);
    observed.load(load(counts), now);
  };
  report(3, 100);
  expect(figures()).toEqual(['0', '0', '0', '0']);
  report(4, 200);
  expect(figures()).toEqual(['1', '1', '1', '1']);
  // These have restarted.
  report(2, 2_000);
  expect(figures()).toEqual(['3', '3', '3', '3']);
  // This one is new.
  observed.load(load({ frontend: 'g', unserved: { deadly: 5 } }), 2_000);
  expect(figures()).toEqual(['3', '8', '3', '3']);
});

test('a frontend that is silent for a while is not counted twice when it comes back, unless it was gone for an hour', () => {
  const observed = observations();
  const report = load({ unserved: { overloaded: 1_000 }, dropped: { 'work: id': 7 } });
  const totals = (now: number) => {
    observed.sweep(now);
    const text = textOf(observed, now);
    return ['unserved_requests_total', 'dropped_messages_total', 'frontends'].map((name) =>
      Number(new RegExp(`^cascade_${name}(?:{.*})? (\\d+)$`, 'm').exec(text)?.[1]),
    );
  };
  observed.load(report, 0);
  expect(totals(0)).toEqual([1_000, 7, 1]);
  expect(totals(1_500)).toEqual([1_000, 7, 0]);
  observed.load(report, 1_600);
  expect(totals(1_600)).toEqual([1_000, 7, 1]);
  // By then, the name belongs to another process, which counts from zero.
  expect(totals(3_700_000)).toEqual([1_000, 7, 0]);
  observed.load(load({ unserved: { overloaded: 1_000 } }), 3_700_000);
  expect(totals(3_700_000)).toEqual([2_000, 7, 1]);
});

test('a silent device is down: its gauges disappear, and its counters stay', () => {
  const observed = observations();
  const measures = new Measures();
  measures.batch('small', 3, 2);
  observed.state(deviceState({ slowdown: 2, busyMs: 500, measures: measures.snapshot }), 0);
  const up = textOf(observed, 500);
  expect(up).toContain('cascade_device_up{device="d0"} 1\n');
  expect(up).toContain('cascade_device_slowdown_ratio{device="d0"} 2\n');
  expect(up).toContain('cascade_queue_length_requests{device="d0",model="small"} 1\n');
  const down = textOf(observed, 1_500);
  expect(down).toContain('cascade_device_up{device="d0"} 0\n');
  expect(down).not.toContain('cascade_device_slowdown_ratio');
  expect(down).toContain('cascade_device_busy_seconds_total{device="d0"} 0.5\n');
  expect(down).toContain('cascade_batch_size_requests_sum{device="d0",model="small"} 3\n');
});

describe('histograms', () => {
  test('are cumulative, in seconds, and end with +Inf', () => {
    const observed = observations();
    const measures = new Measures();
    for (const totalMs of [4, 4.5, 1e6])
      measures.answered({
        id: '',
        certainty: 1,
        model: 'small',
        stage: 0,
        exit: 'certain',
        gear: 3,
        revision: 1,
        timing: { queueMs: 0, computeMs: 0, totalMs },
      });
    observed.state(deviceState({ measures: measures.snapshot }), 0);
    const text = textOf(observed);
    const bucket = (le: string): string => `cascade_request_duration_seconds_bucket{device="d0",model="small",le="${le}"}`;
    expect(text).toContain(`${bucket('0.0025')} 0\n`);
    expect(text).toContain(`${bucket('0.004')} 1\n`);
    expect(text).toContain(`${bucket('0.0063')} 2\n`);
    expect(text).toContain(`${bucket('63')} 2\n`);
    expect(text).toContain(`${bucket('+Inf')} 3\n`);
    expect(text).toContain('cascade_request_duration_seconds_count{device="d0",model="small"} 3\n');
    expect(text).toContain('cascade_answers_total{device="d0",model="small",gear="3",exit="certain"} 3\n');
  });
});

test('gear changes are counted by reason; a change that is held back is not one', () => {
  const observed = observations();
  observed.gear({ revision: 2, gear: 4, epoch: 1, decidedAt: 0, lost: 'd1' });
  observed.event({ type: 'gear', revision: 2, from: 3, to: 4, basis });
  observed.event({ type: 'gear', revision: 2, from: 4, to: 4, basis });
  observed.event({ type: 'device-lost', device: 'd1' });
  const text = textOf(observed);
  expect(text).toContain('cascade_gear{lost="d1"} 4\n');
  expect(text).toContain('cascade_plan_revision 2\n');
  expect(text).toContain('cascade_gear_switches_total{rule="backlog"} 1\n');
  expect(text).toContain('cascade_events_total{type="gear"} 2\n');
  expect(text).toContain('cascade_events_total{type="device-lost"} 1\n');
});

test('drift and audits are exported while the controller reports them', () => {
  const observed = observations();
  const interval = { estimate: 0.9, low: 0.85, high: 0.95 };
  const report: DriftReport = {
    revision: 1,
    qps: {
      observations: 10,
      distance: 0.25,
      bound: 0.2,
      drifted: true,
      meanQps: 1,
      plannedMeanQps: 1,
      qpsMax: 1,
      weights: [],
      plannedWeights: [],
      histogram: [],
      above: 0,
    },
    certainty: [{ model: 'small', observations: 0, distance: null, bound: 0.2, drifted: false }],
    audit: {
      reference: 'large',
      sinceMs: 1,
      answered: 1,
      drawn: 1,
      compared: 1,
      disagreement: null,
      expected: 0.1,
      accuracy: interval,
      expectedAccuracy: interval,
      lost: false,
    },
  };
  observed.drift(report, 0);
  observed.state(
    deviceState({ audits: [{ revision: 1, gear: 0, model: 'small', answered: 9, drawn: 5, agreed: [1, 2], differed: [1] }] }),
    0,
  );
  const text = textOf(observed, 0, { 'state: device': 2 });
  expect(text).toContain('cascade_drift_distance_ratio{what="load",model=""} 0.25\n');
  expect(text).toContain('cascade_drift_detected{what="certainty",model="small"} 0\n');
  expect(text).not.toContain('what="certainty",model="small"} null');
  expect(text).toContain('cascade_audit_accuracy_ratio{bound="low"} 0.85\n');
  expect(text).toContain('cascade_audit_answers_total{model="small",agrees="true"} 3\n');
  expect(text).toContain('cascade_dropped_messages_total{role="metrics",reason="state: device"} 2\n');
  expect(textOf(observed, 60_000)).not.toContain('cascade_drift_distance_ratio');
});

test('labels and help are escaped', () => {
  const exposition = new Exposition();
  exposition.number('dropped', { role: 'a"b\\c\nd', reason: '' }, 1);
  expect(exposition.toString()).toContain('role="a\\"b\\\\c\\nd"');
});

test.skipIf(!findProgram('promtool'))('promtool finds no problems', () => {
  const observed = observations();
  const measures = new Measures();
  measures.batch('small', 3, 2);
  observed.state(deviceState({ measures: measures.snapshot, unserved: { deadly: 1 }, dropped: { 'work: id': 1 } }), 0);
  observed.load(load(), 0);
  observed.gear({ revision: 2, gear: 4, epoch: 1, decidedAt: 0 });
  expect(execFileSync('promtool', ['check', 'metrics'], { input: textOf(observed), encoding: 'utf8', stdio: 'pipe' })).toBe('');
});
