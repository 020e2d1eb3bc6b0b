import type { CompiledPlan } from '../policy/compiled-plan.ts';
import { type GearRule, LOAD_INTERVAL_MS } from '../policy/gear-choice.ts';
import { GearChooser } from '../policy/gear-chooser.ts';
import { estimateLoad, LoadHistory } from '../policy/load-history.ts';
import { LoadScale } from '../policy/load-scale.ts';

/** The gear-controller: chooses gears by what it is told, which is not what is. */
export class SimulatedController {
  readonly #rule: GearRule;
  readonly #chooser: GearChooser;
  readonly #devices: number;
  readonly #load = new LoadHistory();
  readonly #scale: LoadScale | undefined;
  /** Per replica: its queue's length by the device's last heartbeat. */
  readonly #told: Int32Array;
  /** Per device, by its last heartbeat: computing time of what waits, and how much slower than profiled it is. */
  readonly #toldBacklogMs: Float64Array;
  readonly #toldSlowdown: Float64Array;
  #switches = 0;

  constructor({ gears, scaleToQps }: CompiledPlan, rule: GearRule, models: number, devices: number) {
    this.#rule = rule;
    this.#chooser = new GearChooser(gears, rule);
    this.#devices = devices;
    this.#scale = scaleToQps === undefined ? undefined : new LoadScale(scaleToQps, 0);
    this.#told = new Int32Array(models * devices);
    this.#toldBacklogMs = new Float64Array(devices);
    this.#toldSlowdown = new Float64Array(devices).fill(1);
  }

  get switches(): number {
    return this.#switches;
  }

  /** A heartbeat of a device. @param lengths of the queues of all replicas now. */
  onHeartbeat(device: number, lengths: Int32Array, backlogMs: number, slowdown: number): void {
    for (let replica = device; replica < lengths.length; replica += this.#devices) this.#told[replica] = lengths[replica];
    this.#toldBacklogMs[device] = backlogMs;
    this.#toldSlowdown[device] = slowdown;
  }

  /** The frontend tells its arrivals of the last interval. @returns the gear to shift to, if it is another. */
  onArrivals(arrived: number, now: number): number | undefined {
    this.#load.add(arrived, LOAD_INTERVAL_MS);
    this.#scale?.observe(arrived, now);
    return this.decide(now);
  }

  /** @returns the gear to shift to, if it is another. */
  decide(now: number): number | undefined {
    const { windowMs, noiseBand } = this.#rule;
    const before = this.#chooser.gear;
    const { gear } = this.#chooser.decide(
      {
        load: estimateLoad((ms) => this.#load.over(ms), windowMs, noiseBand),
        scale: this.#scale?.factor ?? 1,
        slowdown: this.#toldSlowdown,
        firstQueue: this.#longestQueue(this.#chooser.gears[before].cascade[0]),
        backlog: this.#backlog(),
        waitMs: this.#toldBacklogMs.reduce((most, ms) => Math.max(most, ms), 0),
      },
      now,
    );
    if (gear === before) return undefined;
    this.#switches++;
    return gear;
  }

  #backlog(): number {
    let waiting = 0;
    for (let replica = 0; replica < this.#told.length; replica++) waiting += this.#told[replica];
    return waiting;
  }

  #longestQueue(model: number): number {
    let longest = 0;
    for (let d = 0; d < this.#devices; d++) longest = Math.max(longest, this.#told[model * this.#devices + d]);
    return longest;
  }
}
