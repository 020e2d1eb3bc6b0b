import { Channels } from '../../engine/actor/channel.ts';
import { Drops } from '../../engine/actor/drops.ts';
import { createLogger } from '../../engine/log.ts';
import type { LoadFigures } from '../../plans/calibration/calibration.ts';
import { type LoadStep, percentiles, traceOfStep } from '../../plans/calibration/simulated-load.ts';
import { STATE } from '../../plans/protocol/channels.ts';
import type { DeviceState } from '../../plans/protocol/control-messages.ts';
import { liveLoad } from '../load/live-load.ts';
import type { LiveTarget } from './with-serving.ts';

/** Measurements at one load. */
export interface MeasuredStep {
  readonly figures: LoadFigures;
  /** Requests answered while it counted. */
  readonly requests: number;
  /** Device -> slowdown compared with the plan, weighted by busy time. */
  readonly slowdown: Readonly<Record<string, number>>;
  /** Requests that ended without an answer. */
  readonly failed: number;
  /** Whether the generator was late: see `isVoid`. */
  readonly void: boolean;
  readonly lagMsP99: number | null;
}

/** Heartbeats of one device during the measurement. */
class Heartbeats {
  #first: DeviceState | undefined;
  #last: DeviceState | undefined;
  #weighted = 0;

  add(state: DeviceState): void {
    if (this.#last?.incarnation !== state.incarnation) this.#first = undefined;
    if (this.#first === undefined) {
      this.#first = state;
      this.#weighted = 0;
    } else this.#weighted += state.slowdown * (state.busyMs - this.#last!.busyMs);
    this.#last = state;
  }

  get #busyMs(): number {
    return (this.#last?.busyMs ?? 0) - (this.#first?.busyMs ?? 0);
  }

  get utilisation(): number {
    const upMs = (this.#last?.upMs ?? 0) - (this.#first?.upMs ?? 0);
    return upMs > 0 ? this.#busyMs / upMs : 0;
  }

  /** 1 for a device that computed nothing. */
  get slowdown(): number {
    return this.#busyMs > 0 ? this.#weighted / this.#busyMs : 1;
  }
}

/** Sends a constant load to a running deployment and measures it once it has settled. */
export async function measureStep(live: LiveTarget, step: LoadStep): Promise<MeasuredStep> {
  const { bus, subjects, data } = live;
  const drops = new Drops(createLogger('cascade-calibrate', 'warn'));
  const devices = new Map<string, Heartbeats>();
  const latenciesMs: number[] = [];
  let counting = false;
  let qualitySum = 0;
  let judged = 0;
  let failed = 0;
  const listening = new Channels(subjects.root, { bus, drops }).receive$(STATE).subscribe((state) => {
    if (!counting) return;
    if (!devices.has(state.device)) devices.set(state.device, new Heartbeats());
    devices.get(state.device)!.add(state);
  });
  try {
    const { report } = await liveLoad({
      ...live,
      trace: traceOfStep(step),
      seed: step.seed,
      onOutcome: ({ sentAtMs, latencyMs, result, sample }) => {
        counting = sentAtMs >= 1_000 * step.settleSeconds;
        if (!counting) return;
        if (result === undefined) {
          failed++;
          return;
        }
        latenciesMs.push(latencyMs);
        const quality = data.qualityOf(sample, result.model, result);
        if (quality === null) return;
        qualitySum += quality;
        judged++;
      },
    });
    return {
      figures: {
        ...percentiles(latenciesMs),
        accuracy: judged === 0 ? null : qualitySum / judged,
        utilisation: Object.fromEntries([...devices].map(([device, heard]) => [device, heard.utilisation])),
      },
      requests: latenciesMs.length,
      slowdown: Object.fromEntries([...devices].map(([device, heard]) => [device, heard.slowdown])),
      failed,
      void: report.void,
      lagMsP99: report.generatorLagMs?.p99 ?? null,
    };
  } finally {
    listening.unsubscribe();
  }
}
