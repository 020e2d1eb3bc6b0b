import { readFileSync } from 'node:fs';
import { createRandom } from '../../../../engine/random.ts';
import { parseTrace, scaleToPeak, stretchTrace, type Trace } from '../../../../plans/traces/trace.ts';
import { burstyTrace } from '../../bursty-trace.ts';

/** How processes and devices are laid out. One calibration applies to all plans of a layout. */
export type LayoutName = 'fashion-in-devices' | 'fashion-frontend' | 'bert-like';

interface FidelityCase {
  readonly layout: LayoutName;
  readonly p95Ms: number;
  readonly qpsMax: number;
  readonly trace: 'bundled' | 'bursty' | 'steps';
  /** Highest second of the trace. */
  readonly peakQps: number;
}

export const SECONDS = 20;

/** Synthetic families run on 16 emulated devices. */
export const CASES: readonly FidelityCase[] = [
  { layout: 'fashion-in-devices', p95Ms: 100, qpsMax: 6_000, trace: 'bundled', peakQps: 4_500 },
  { layout: 'fashion-in-devices', p95Ms: 100, qpsMax: 6_000, trace: 'bursty', peakQps: 5_000 },
  { layout: 'fashion-in-devices', p95Ms: 100, qpsMax: 6_000, trace: 'steps', peakQps: 4_800 },
  { layout: 'fashion-in-devices', p95Ms: 40, qpsMax: 4_000, trace: 'bundled', peakQps: 3_000 },
  { layout: 'fashion-in-devices', p95Ms: 200, qpsMax: 8_000, trace: 'steps', peakQps: 6_000 },
  { layout: 'fashion-frontend', p95Ms: 100, qpsMax: 5_000, trace: 'bundled', peakQps: 3_500 },
  { layout: 'fashion-frontend', p95Ms: 100, qpsMax: 5_000, trace: 'bursty', peakQps: 4_000 },
  { layout: 'fashion-frontend', p95Ms: 100, qpsMax: 5_000, trace: 'steps', peakQps: 4_000 },
  { layout: 'fashion-frontend', p95Ms: 40, qpsMax: 3_000, trace: 'bursty', peakQps: 2_400 },
  { layout: 'fashion-frontend', p95Ms: 200, qpsMax: 4_000, trace: 'steps', peakQps: 3_000 },
  { layout: 'bert-like', p95Ms: 400, qpsMax: 7_600, trace: 'bundled', peakQps: 5_500 },
  { layout: 'bert-like', p95Ms: 400, qpsMax: 7_600, trace: 'bursty', peakQps: 5_500 },
  { layout: 'bert-like', p95Ms: 400, qpsMax: 7_600, trace: 'steps', peakQps: 5_000 },
  { layout: 'bert-like', p95Ms: 200, qpsMax: 7_600, trace: 'bundled', peakQps: 5_000 },
  { layout: 'bert-like', p95Ms: 800, qpsMax: 7_600, trace: 'steps', peakQps: 5_500 },
];

export function traceOfCase({ trace, peakQps }: FidelityCase): Trace {
  switch (trace) {
    case 'bundled':
      return scaleToPeak(stretchTrace(parseTrace(readFileSync('conf/fashion/trace.csv', 'utf8'), 'trace.csv'), SECONDS), peakQps);
    case 'bursty':
      return burstyTrace(SECONDS, peakQps, createRandom('fidelity'));
    case 'steps':
      return {
        qps: Float64Array.from({ length: SECONDS }, (_, s) => peakQps * [0.25, 0.6, 1, 0.4][Math.floor((4 * s) / SECONDS)]),
      };
  }
}
