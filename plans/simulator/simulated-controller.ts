import type { CompiledPlan } from '../policy/compiled-plan.ts';
import { chooseGear, type GearRule, LOAD_INTERVAL_MS } from '../policy/gear-choice.ts';
import { LoadHistory } from '../policy/load-history.ts';
import { LoadScale } from '../policy/load-scale.ts';

/** The gear-controller: chooses gears by what it is told, which is not what is. */
export class SimulatedController {
  readonly #gears: CompiledPlan['gears'];
  readonly #rule: GearRule;
  readonly #devices: number;
  readonly #load = new LoadHistory();
  readonly #scale: LoadScale | undefined;
  /** Per replica: its queue's length by the device's last heartbeat. */
  readonly #told: Int32Array;
  #chosen = 0;
  #switches = 0;

  constructor({ gears, scaleToQps }: CompiledPlan, rule: GearRule, models: number, devices: number) {
    this.#gears = gears;
    this.#rule = rule;
    this.#devices = devices;
    this.#scale = scaleToQps === undefined ? undefined : new LoadScale(scaleToQps, 0);
    this.#told = new Int32Array(models * devices);
  }

  get switches(): number {
    return this.#switches;
  }

  /** A heartbeat of a device. @param lengths of the queues of all replicas now. */
  hears(device: number, lengths: Int32Array): void {
    for (let replica = device; replica < lengths.length; replica += this.#devices) this.#told[replica] = lengths[replica];
  }

  /** The frontend tells its arrivals of the last interval. @returns the gear to shift to, if it is another. */
  shift(arrived: number, now: number): number | undefined {
    this.#load.add(arrived, LOAD_INTERVAL_MS);
    this.#scale?.observe(arrived, now);
    const inputs = {
      lastLoad: this.#load.over(LOAD_INTERVAL_MS),
      windowLoad: this.#load.over(this.#rule.windowMs),
      scale: this.#scale?.factor ?? 1,
      firstQueue: this.#longestQueue(this.#gears[this.#chosen].cascade[0]),
      backlog: this.#backlog(),
    };
    const { gear } = chooseGear(this.#gears, this.#chosen, inputs, this.#rule);
    if (gear === this.#chosen) return undefined;
    this.#switches++;
    this.#chosen = gear;
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
