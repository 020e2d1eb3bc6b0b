import type { DataPaths } from '../data/read-samples.ts';
import type { Role } from './role.ts';

/** Possible data, judging by names and shapes. */
export interface Proposal {
  /** Absolute paths. */
  readonly data: DataPaths;
  readonly role: Role;
  /** The file to skip if its values do not fit after all; undefined for arrays, which may be useful in another role. */
  readonly file: string | undefined;
  /** Notes for the user about the choice. */
  readonly notes: readonly string[];
}
