import type { RemoteModelName } from '../../../engine/backend/backend.ts';
import type { DeploymentYaml } from './schema.ts';

/** How certainty is determined: an estimator on the class scores (see certainty.ts), or a model output of that name. */
export type CertaintyKind = DeploymentYaml['certainty'];
export type Estimator = Extract<CertaintyKind, string>;
export type ScoreKind = DeploymentYaml['scores'];
export type TaskName = DeploymentYaml['task'];

export interface ModelEntry {
  readonly name: string;
  /** Absolute path of the ONNX file; `synthetic:<name>` in a synthetic family, which has no files, and as `remoteFile` has it of a model that is only on servers. */
  readonly file: string;
  /** What servers of devices of kind remote call it. */
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

/** In the place of a file, of a model that is on servers only: what it is called there. */
export function remoteFile({ name, version }: RemoteModelName): string {
  return `${ON_SERVERS}${name}${version === undefined ? '' : `, version ${version}`}`;
}

/** Whether a model is on servers only: nothing is known of it here but what they say. */
export function isOnServersOnly({ file, remote }: Pick<ModelEntry, 'file' | 'remote'>): boolean {
  return remote !== undefined && file.startsWith(ON_SERVERS);
}
