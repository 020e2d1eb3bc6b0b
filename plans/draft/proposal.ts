import type { DataPaths } from '../data/read-samples.ts';
import type { Role } from './role.ts';

/** What may be the data, by names and shapes. */
export interface Proposal {
  /** Absolute paths. */
  readonly data: DataPaths;
  readonly role: Role;
  /** The file that is passed over when its values do not fit after all; undefined for arrays, which may be of use otherwise. */
  readonly file: string | undefined;
  /** What the person should know of the choice. */
  readonly notes: readonly string[];
}
