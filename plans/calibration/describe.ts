import Table from 'cli-table3';
import type { Profile } from '../domain/profile/profile.ts';
import { NO_RULES } from '../report/plan-table.ts';
import { BOUNDS, type CalibratedLoad, type Calibration, type LoadFigures } from './calibration.ts';

/** `corrected by calibration.json of 2026-11-26: inference x1.08, ...`. */
export function describeCorrection({ date, factors }: Pick<Calibration, 'date' | 'factors'>, { overhead }: Profile): string {
  const { inference, perBatch, perRequest, hopMs, wakeMs, intakeMs, jitterMs, contentionMs } = factors;
  const kinds = Object.entries(inference);
  const parts = [
    ...kinds.map(([kind, factor]) => `inference${kinds.length > 1 ? ` on ${kind}` : ''} x${factor.toFixed(2)}`),
    `each request also uses ${ms(contentionMs)} of the device’s cores outside inference`,
    `per batch x${perBatch.toFixed(2)}`,
    `per request x${perRequest.toFixed(2)}`,
    `hop ${ms(hopMs)} (profiled ${ms(overhead.hopMs)})`,
    `first hop after a pause +${ms(wakeMs)}`,
    `jitter ${ms(jitterMs)}`,
    `intake ${ms(intakeMs)} a request`,
  ];
  return `corrected by calibration.json of ${date.slice(0, 16).replace('T', ' ')}: ${parts.join(', ')}`;
}

/** Promised and measured figures, one line per load. */
export function calibrationTable(loads: readonly CalibratedLoad[]): string {
  const table = new Table({
    head: [
      'requests/s',
      'p50 ms: promised, corrected, measured',
      'p95 ms: promised, corrected, measured',
      'measured / promised p95',
      'right: promised, measured',
      'occupied: simulated, measured',
      'slowdown',
    ],
    style: { head: [], border: [] },
    chars: NO_RULES,
    wordWrap: true,
    colWidths: [12, 20, 20, 12, 18, 18, 10],
  });
  for (const { qps, promised, corrected, measured, slowdown } of loads) {
    const three = (of: (figures: LoadFigures) => number): string =>
      [promised, corrected, measured].map((figures) => of(figures).toFixed(2)).join('  ');
    table.push([
      qps.toFixed(0),
      three(({ latencyMsP50 }) => latencyMsP50),
      three(({ latencyMsP95 }) => latencyMsP95),
      (measured.latencyMsP95 / promised.latencyMsP95).toFixed(2),
      [promised, measured].map(({ accuracy }) => (accuracy === null ? '-' : `${(100 * accuracy).toFixed(1)} %`)).join('  '),
      [promised, measured].map(({ utilisation }) => `${(100 * mean(utilisation)).toFixed(0)} %`).join('  '),
      mean(slowdown).toFixed(2),
    ]);
  }
  return table.toString();
}

/** Messages about factors that stopped at a bound. */
export function describeBounds({ atBound }: Pick<Calibration, 'atBound'>): string[] {
  return atBound.map(
    (name) =>
      `${name} is at the limit of what is plausible (${BOUNDS[name].join(' to ')}): this machine differs from the profile in other ways too; ` +
      'profile and calibrate again with nothing else running',
  );
}

function ms(value: number): string {
  return `${Number(value.toPrecision(2))} ms`;
}

/** Mean over the devices. */
function mean(byDevice: Readonly<Record<string, number>>): number {
  const values = Object.values(byDevice);
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
