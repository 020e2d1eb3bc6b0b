import type { SampleOrder } from '../../data/split.ts';
import type { AuditBounds } from '../../drift/audit-estimate.ts';
import type { DriftSettings } from '../../drift/drift-measure.ts';
import type { AuditSettings } from '../../policy/audit.ts';
import type { GearRule } from '../../policy/gear-choice.ts';
import type { CertaintyKind, ModelEntry, ScoreKind, TaskName } from './model-entry.ts';
import type { DeploymentYaml } from './schema.ts';
import type { SyntheticSettings } from './synthetic-settings.ts';

/** Settings of one model input. */
type InputSettings = DeploymentYaml['inputs'][string];

interface DeviceBase {
  readonly id: string;
  readonly memoryBytes: number;
  readonly host: string;
}

/** A server of the Open Inference Protocol. */
export interface RemoteDevice extends DeviceBase {
  readonly kind: 'remote';
  readonly url: string;
  /** Models of the family that it has. */
  readonly models: readonly string[];
  readonly inFlight: number;
  readonly timeoutMs: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Absolute paths of PEM files. */
  readonly tls: { readonly ca?: string | undefined; readonly cert?: string | undefined; readonly key?: string | undefined };
}

export type Device =
  | (DeviceBase & { readonly kind: 'cpu'; readonly cores: readonly number[] | undefined })
  | (DeviceBase & { readonly kind: 'cuda'; readonly deviceId: number })
  | (DeviceBase & { readonly kind: 'emulated'; readonly like: string })
  | RemoteDevice;

export type DeploymentSlo =
  | { readonly type: 'latency'; readonly p95Ms: number }
  | { readonly type: 'accuracy'; readonly accuracy: number };

/** The load to plan for (CascadeServe §3): equal QPS ranges from 0 to `qpsMax`, and how often each occurs. */
export interface Load {
  readonly qpsMax: number;
  readonly ranges: number;
  readonly distribution:
    | { readonly type: 'zipf'; readonly exponent: number }
    /** Weights of equal ranges from 0 to the histogram's own `qpsMax`. */
    | { readonly type: 'histogram'; readonly qpsMax: number; readonly weights: readonly number[] };
}

interface DataFiles {
  /** Input name -> absolute `.npy` file (or `.npz#member`, `.csv#column`); or one absolute file for all inputs. */
  readonly inputs: string | Readonly<Record<string, string>>;
  readonly labels: string | undefined;
  /** Task custom: one file per model, or a single one for all; absolute. */
  readonly quality?: string | Readonly<Record<string, string>> | undefined;
  /** Fraction of the samples for profiling and planning. */
  readonly validation: number;
  /** Whether those are drawn at random or are the first ones. */
  readonly order: SampleOrder;
}

export interface NatsSettings {
  readonly servers: readonly string[];
  /** Every string here may name environment variables, `${NAME}`, which are expanded when a command connects. */
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly token: string | undefined;
  readonly credsFile: string | undefined;
  readonly nkeyFile: string | undefined;
  readonly inboxPrefix: string | undefined;
  /** Copies of the key-value buckets in a cluster. */
  readonly replicas: number;
  /** Absolute paths of PEM files. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string } | undefined;
}

/** Durable ingress: requests that NATS stores before they are served. */
export interface DurableSettings {
  readonly maxRequests: number;
  readonly maxBytes: number;
  /** Infinity: requests never expire. */
  readonly maxAgeMs: number;
  readonly maxDeliver: number;
  readonly ackWaitMs: number;
  readonly inFlight: number;
  /** 0: answers are not kept. */
  readonly keepAnswersMs: number;
  readonly storage: 'file' | 'memory';
  readonly replicas: number;
}

/** A deployment file, checked, in the units of the code, with absolute paths. */
export interface Deployment {
  readonly name: string;
  /** Absolute folder of the deployment file: profile.json, plan.json and calibration.json are written there. */
  readonly dir: string;
  /** Absolute path of the deployment file. */
  readonly file: string;
  /** The family in the order of the file. The profile orders it by cost, cheapest first. */
  readonly models: readonly ModelEntry[];
  /** Set for a made-up family, which has neither model files nor data. */
  readonly synthetic: SyntheticSettings | undefined;
  readonly task: TaskName;
  /** Task regression only. */
  readonly tolerance: number | undefined;
  readonly output: string | undefined;
  readonly certainty: CertaintyKind;
  readonly scores: ScoreKind;
  readonly inputs: Readonly<Record<string, InputSettings>>;
  readonly classes: readonly string[] | undefined;
  readonly data: DataFiles | undefined;
  readonly devices: readonly Device[];
  readonly slo: DeploymentSlo;
  readonly load: Load;
  readonly nats: NatsSettings;
  /** Number of separate frontend processes on one machine, or part of every device process. */
  readonly frontends: number | 'in-devices';
  readonly prefix: string;
  /** For requests that name none. */
  readonly deadlineMs: number;
  /** Cap for requests that name a longer one. */
  readonly maxDeadlineMs: number;
  /** How long devices may take to load what is new in a plan. */
  readonly prepareTimeoutMs: number;
  readonly gearRule: GearRule;
  /** Undefined: requests are not stored. */
  readonly durable: DurableSettings | undefined;
  /** Undefined: nothing is audited. */
  readonly audit: (AuditSettings & AuditBounds) | undefined;
  readonly drift: DriftSettings & { readonly replan: 'never' | 'auto'; readonly replanIntervalMs: number };
}

/** Key under which runtimes are profiled: devices of one class are interchangeable. */
export function deviceClass(device: Device): string {
  switch (device.kind) {
    case 'cpu':
      return `cpu-${device.cores?.length ?? 1}`;
    case 'cuda':
      return 'cuda';
    case 'emulated':
      return `emulated:${device.like}`;
    case 'remote':
      // Runtimes depend on the server and on how many requests it gets at once.
      return `remote:${device.url}${device.inFlight === 1 ? '' : ` in ${device.inFlight}`}`;
  }
}
