import pc from 'picocolors';
import type { LoadOutcome } from '../load/open-loop.ts';

/** One second of a live run. */
interface Second {
  offered: number;
  completed: number;
  failed: number;
  latencies: number[];
  byModel: Map<string, number>;
  /** Gear of the last answer. */
  gear: number;
}

const BAR_CELLS = 20;
/** Width of a model's column, in characters. */
const CELL = 11;
/** Gap before the first column. */
const SPACE = 3;

/**
 * Prints a line for each second of a run: load, gear, p95 against the SLO, and each model's share of the answers. Seconds count by
 * intended send time.
 */
export class LiveView {
  readonly #models: readonly string[];
  readonly #peakQps: number;
  readonly #sloMs: number | undefined;
  readonly #write: (line: string) => void;
  readonly #seconds = new Map<number, Second>();
  #shown = 0;

  constructor(options: { models: readonly string[]; peakQps: number; sloMs: number | undefined; write: (line: string) => void }) {
    this.#models = options.models;
    this.#peakQps = options.peakQps;
    this.#sloMs = options.sloMs;
    this.#write = options.write;
  }

  header(): void {
    const left = `${'sec'.padStart(4)} ${'req/s'.padStart(6)} ${''.padEnd(BAR_CELLS)} gear ${'p95 ms'.padStart(7)}`;
    const models = this.#models.map((model) => model.padStart(CELL)).join('');
    this.#write(`${''.padEnd(left.length + SPACE)}${pc.dim('share of the answers by model'.padStart(models.length))}`);
    this.#write(pc.bold(`${left}${''.padEnd(SPACE)}${models}`));
  }

  add(outcome: LoadOutcome): void {
    const number = Math.floor(outcome.sentAtMs / 1_000);
    if (number < this.#shown) return;
    const second = this.#second(number);
    second.offered++;
    if (outcome.result === undefined) {
      second.failed++;
      return;
    }
    second.completed++;
    second.latencies.push(outcome.latencyMs);
    second.gear = outcome.result.gear;
    second.byModel.set(outcome.result.model, (second.byModel.get(outcome.result.model) ?? 0) + 1);
  }

  /** Prints the seconds before `end`. On a slow machine, one waits for the first outcome of a request sent in it or later. */
  showBefore(end: number): void {
    while (this.#shown < end && this.#seconds.size > 0) this.#print(this.#shown++);
  }

  #print(number: number): void {
    const second = this.#seconds.get(number);
    // Nothing was sent in it.
    if (second === undefined) return;
    this.#seconds.delete(number);
    second.latencies.sort((a, b) => a - b);
    const p95 = second.latencies[Math.max(0, Math.ceil(0.95 * second.latencies.length) - 1)];
    const filled = Math.min(BAR_CELLS, Math.round((BAR_CELLS * second.offered) / this.#peakQps));
    const late = this.#sloMs !== undefined && p95 > this.#sloMs;
    const p95Text = (p95 === undefined ? '-' : p95.toFixed(1)).padStart(7);
    const shares = this.#models.map((model) =>
      percent((second.byModel.get(model) ?? 0) / Math.max(1, second.completed)).padStart(11),
    );
    const failed = second.failed === 0 ? '' : pc.red(`  ${second.failed} without an answer`);
    this.#write(
      `${String(number).padStart(4)} ${String(second.offered).padStart(6)} ${pc.cyan('█'.repeat(filled))}${pc.dim('·'.repeat(BAR_CELLS - filled))} ` +
        `${String(second.gear).padStart(4)} ${late ? pc.red(p95Text) : p95Text}   ${shares.join('')}${failed}`,
    );
  }

  #second(number: number): Second {
    let second = this.#seconds.get(number);
    if (second === undefined) {
      second = { offered: 0, completed: 0, failed: 0, latencies: [], byModel: new Map(), gear: 0 };
      this.#seconds.set(number, second);
    }
    return second;
  }
}

function percent(fraction: number): string {
  return fraction === 0 ? '·' : `${(100 * fraction).toFixed(0)} %`;
}
