import type { CompiledPlan } from '../policy/compiled-plan.ts';
import { type GearRule, LOAD_INTERVAL_MS } from '../policy/gear-choice.ts';
import { GearChooser } from '../policy/gear-chooser.ts';
import { estimateLoad, LoadHistory } from '../policy/load-history.ts';
import { LoadScale } from '../policy/load-scale.ts';

/** The gear-controller: it chooses gears by what was last reported to it, not by the actual state. */
export class SimulatedController {
  readonly #rule: GearRule;
  readonly #chooser: GearChooser;
  readonly #devices: number;
  readonly #load = new LoadHistory();
  readonly #scale: LoadScale | undefined;
  /** Per replica: length of its queue according to the device's last heartbeat. */
  readonly #reportedLengths: Int32Array;
  /** Per device, according to its last heartbeat: computing time of queued work, and its slowdown compared with the profile. */
  readonly #reportedBacklogMs: Float64Array;
  readonly #reportedSlowdown: Float64Array;
  #switches = 0;

  constructor({ gears, scaleToQps }: CompiledPlan, rule: GearRule, models: number, devices: number) {
    this.#rule = rule;
    this.#chooser = new GearChooser(gears, rule);
    this.#devices = devices;
    this.#scale = scaleToQps === undefined ? undefined : new LoadScale(scaleToQps, 0);
    this.#reportedLengths = new Int32Array(models * devices);
    this.#reportedBacklogMs = new Float64Array(devices);
    this.#reportedSlowdown = new Float64Array(devices).fill(1);
  }

  get switches(): number {
    return this.#switches;
  }

  /** Processes a heartbeat of a device. @param lengths current queue lengths of all replicas. */
  onHeartbeat(device: number, lengths: Int32Array, backlogMs: number, slowdown: number): void {
    for (let replica = device; replica < lengths.length; replica += this.#devices)
      this.#reportedLengths[replica] = lengths[replica];
    this.#reportedBacklogMs[device] = backlogMs;
    this.#reportedSlowdown[device] = slowdown;
  }

  /** The frontend reports its arrivals in the last interval. @returns the gear to shift to, if it differs. */
  onArrivals(arrived: number, now: number): number | undefined {
    this.#load.add(arrived, LOAD_INTERVAL_MS);
    this.#scale?.observe(arrived, now);
    return this.decide(now);
  }

  /** @returns the gear to shift to, if it differs. */
  decide(now: number): number | undefined {
    const { windowMs, noiseBand } = this.#rule;
    const before = this.#chooser.gear;
    const { gear } = this.#chooser.decide(
      {
        load: estimateLoad((ms) => this.#load.over(ms), windowMs, noiseBand),
        scale: this.#scale?.factor ?? 1,
        slowdown: this.#reportedSlowdown,
        firstQueue: this.#longestQueue(this.#chooser.gears[before].cascade[0]),
        backlog: this.#backlog(),
        waitMs: this.#reportedBacklogMs.reduce((most, ms) => Math.max(most, ms), 0),
      },
      now,
    );
    if (gear === before) return undefined;
    this.#switches++;
    return gear;
  }

  #backlog(): number {
    let waiting = 0;
    for (let replica = 0; replica < this.#reportedLengths.length; replica++) waiting += this.#reportedLengths[replica];
    return waiting;
  }

  #longestQueue(model: number): number {
    let longest = 0;
    for (let d = 0; d < this.#devices; d++) longest = Math.max(longest, this.#reportedLengths[model * this.#devices + d]);
    return longest;
  }
}
