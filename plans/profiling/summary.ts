import Table from 'cli-table3';
import { formatBytes } from '../domain/deployment/units.ts';
import { accuracyOf, type Overhead, type Profile, type RuntimeCurve, UNKNOWN_BYTES } from '../domain/profile/profile.ts';

/** A profile's figures, without the per-sample records. */
export interface ProfileSummary {
  readonly deployment: string;
  readonly digest: string;
  readonly synthetic: boolean;
  readonly machine: string;
  readonly samples: number;
  readonly classes: number;
  readonly models: readonly {
    readonly name: string;
    readonly accuracy: number;
    readonly memoryBytes: number;
    readonly runtimes: Readonly<Record<string, RuntimeCurve>>;
  }[];
  readonly overhead: Overhead;
}

export function profileSummary(profile: Profile): ProfileSummary {
  const { deployment, digest, synthetic, machine, classes, overhead } = profile;
  const models = profile.models.map((model) => ({
    name: model.name,
    accuracy: accuracyOf(model),
    memoryBytes: model.memoryBytes,
    runtimes: model.runtimes,
  }));
  return { deployment, digest, synthetic, machine, samples: profile.labels.length, classes, models, overhead };
}

/** For the terminal: a row per model and kind of device. */
export function profileTable(profile: Profile): string {
  const { samples, models, overhead, machine } = profileSummary(profile);
  const table = new Table({
    head: ['model', 'accuracy', 'memory', 'device', 'batch 1', 'largest batch', 'samples/s'],
    colAligns: ['left', 'right', 'right', 'left', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const model of models) {
    for (const [device, { batch, ms }] of Object.entries(model.runtimes)) {
      const largest = batch[batch.length - 1];
      const largestMs = ms[ms.length - 1];
      const best = Math.max(...batch.map((size, i) => (size / ms[i]) * 1000));
      table.push([
        model.name,
        `${(100 * model.accuracy).toFixed(2)} %`,
        model.memoryBytes === UNKNOWN_BYTES ? 'on a server' : formatBytes(model.memoryBytes),
        device,
        `${ms[0].toFixed(3)} ms`,
        `${largest}: ${largestMs.toFixed(2)} ms`,
        best.toFixed(0),
      ]);
    }
  }
  const costs = `per batch ${overhead.perBatchMs.toFixed(4)} ms, per request ${overhead.perRequestMs.toFixed(4)} ms, per hop ${overhead.hopMs} ms`;
  return `${table.toString()}\n${samples} validation samples on ${machine}; serving costs besides inference: ${costs}`;
}
