import type { HistogramCounts } from '../../plans/protocol/histogram.ts';
import { type HistogramKey, type LabelsOf, METRICS, type MetricKey, type NumberKey } from './declarations.ts';

/** Content type of Prometheus's text format. */
export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * Writes Prometheus's text format, for declared metrics only. prom-client is meant for counting in one's own process: its counters and
 * histograms cannot be set to counts from elsewhere.
 */
export class Exposition {
  readonly #lines = new Map<MetricKey, string[]>();

  number<K extends NumberKey>(key: K, labels: LabelsOf<K>, value: number): void {
    this.#add(key, '', labels, value);
  }

  /**
   * @param bounds used for counting; they include those of the declaration.
   * @param divisor converts values and bounds to the declared unit.
   */
  histogram<K extends HistogramKey>(
    key: K,
    labels: LabelsOf<K>,
    { counts, sum }: HistogramCounts,
    bounds: readonly number[],
    divisor: number,
  ): void {
    const declared = METRICS[key].bounds;
    let below = 0;
    let next = 0;
    for (let i = 0; i < bounds.length; i++) {
      below += counts[i];
      if (next >= declared.length || bounds[i] / divisor < declared[next] * (1 - 1e-9)) continue;
      this.#add(key, '_bucket', { ...labels, le: String(declared[next++]) }, below);
    }
    const total = below + counts[bounds.length];
    this.#add(key, '_bucket', { ...labels, le: '+Inf' }, total);
    this.#add(key, '_sum', labels, sum / divisor);
    this.#add(key, '_count', labels, total);
  }

  toString(): string {
    return [...this.#lines]
      .map(([key, lines]) => {
        const { name, help, type } = METRICS[key];
        return `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n${lines.join('\n')}\n`;
      })
      .join('');
  }

  #add(key: MetricKey, suffix: string, labels: Readonly<Record<string, string>>, value: number): void {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
    const line = `${METRICS[key].name}${suffix}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`;
    const lines = this.#lines.get(key);
    if (lines === undefined) this.#lines.set(key, [line]);
    else lines.push(line);
  }
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
