import type { RemoteModelName } from '../../../engine/backend/backend.ts';
import type { DeploymentYaml } from './schema.ts';

/** How certainty is determined: an estimator on the class scores (see certainty.ts), or a model output of that name. */
export type CertaintyKind = DeploymentYaml['certainty'];
export type Estimator = Extract<CertaintyKind, string>;
export type ScoreKind = DeploymentYaml['scores'];
export type TaskName = DeploymentYaml['task'];

export interface ModelEntry {
  readonly name: string;
  /**
   * Absolute path of the ONNX file. Without a file: `synthetic:<name>` in a synthetic family, `remoteFile` for a model that is
   * only on servers.
   */
  readonly file: string;
  /** Its name on the servers behind remote devices. */
  readonly remote?: RemoteModelName | undefined;
  /** Largest batch to profile and to run. */
  readonly maxBatch: number;
  /** Output that holds the scores; default: the family's, else chosen automatically (see `chooseOutput`). */
  readonly output?: string | undefined;
  /** Default: the family's. */
  readonly scores?: ScoreKind | undefined;
  /** Input of the model -> input of the family, where the names differ. */
  readonly inputs?: Readonly<Record<string, string>> | undefined;
}

const ON_SERVERS = 'remote:';

/** Stands in for the file of a model that is only on servers: contains its name and version there. */
export function remoteFile({ name, version }: RemoteModelName): string {
  return `${ON_SERVERS}${name}${version === undefined ? '' : `, version ${version}`}`;
}

/** Whether a model is only on servers, so that all we know about it is what they report. */
export function isOnServersOnly({ file, remote }: Pick<ModelEntry, 'file' | 'remote'>): boolean {
  return remote !== undefined && file.startsWith(ON_SERVERS);
}

/** Whether a model is there on a device. */
export function canRun(
  device: { readonly kind: 'remote'; readonly models: readonly string[] } | { readonly kind: 'cpu' | 'cuda' | 'emulated' },
  model: Pick<ModelEntry, 'name' | 'file' | 'remote'>,
): boolean {
  return device.kind === 'remote' ? device.models.includes(model.name) : !isOnServersOnly(model);
}
