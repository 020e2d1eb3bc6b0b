import type { DeploymentYaml } from './schema.ts';

/** How sure a prediction is: an estimator on the class scores (see certainty.ts), or a model output of that name. */
export type CertaintyKind = DeploymentYaml['certainty'];
export type Estimator = Extract<CertaintyKind, string>;
export type ScoreKind = DeploymentYaml['scores'];
export type TaskName = DeploymentYaml['task'];

export interface ModelEntry {
  readonly name: string;
  /** Absolute path of the ONNX file; `synthetic:<name>` in a synthetic family, which has no files. */
  readonly file: string;
  /** Largest batch to profile and to run. */
  readonly maxBatch: number;
  /** Output that holds the scores; default: the family's, else chosen (see `chooseOutput`). */
  readonly output?: string | undefined;
  /** Default: the family's. */
  readonly scores?: ScoreKind | undefined;
  /** Input of the model -> input of the family, where they have other names. */
  readonly inputs?: Readonly<Record<string, string>> | undefined;
}
