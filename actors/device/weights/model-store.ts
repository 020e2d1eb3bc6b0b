import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf, WeightsMissingError } from '../../../engine/errors.ts';
import { displayPath } from '../../../plans/domain/deployment/shown.ts';
import { shortDigest } from '../../../plans/domain/gear-plan/gear-plan.ts';
import { modelDigest, modelFiles } from '../../../plans/domain/profile/file-digest.ts';

/** Name of a model's own file in its copy, whatever it is called on disk; files of external weights keep their names, which it contains. */
const FILE = 'model.onnx';
/** Number of copies kept per model, the most recently used ones: this is how far back a rollback can go. */
const KEPT = 10;
/** A copy that has not been finished for so long never will be. */
const ABANDONED_MS = 3_600_000;

/** Where the weights of a model were found. */
export interface FoundWeights {
  readonly file: string;
  /** Why there is no copy, if there is none: after the file is replaced, a restart will not find them. */
  readonly uncopied?: string;
}

/**
 * Copies of model files by digest, in the folder `.cascade` next to a deployment: a plan names weights by digest, and finds them here even
 * if the file on disk was replaced. They are copies rather than links, which would change with a file that is overwritten in place; file
 * systems that can share blocks do so.
 */
export class ModelStore {
  readonly #root: string;
  readonly #deployment: string;

  /** @param folder of the deployment. */
  constructor(folder: string, deployment: string) {
    this.#root = join(folder, '.cascade');
    this.#deployment = deployment;
  }

  /**
   * Where to load weights from: the copy, which is made now if the file on disk is the requested one.
   * @param file of the model on disk.
   * @throws WeightsMissingError when neither the store nor the disk has them.
   */
  find(model: string, file: string, digest: string): FoundWeights {
    const copies = join(this.#root, this.#deployment, model);
    const copy = join(copies, digest, FILE);
    if (digestOf(copy).digest === digest) {
      touch(dirname(copy));
      return { file: copy };
    }
    const onDisk = digestOf(file);
    if (onDisk.digest !== digest) {
      const found =
        onDisk.digest === undefined ? `cannot be used: ${onDisk.problem}` : `has digest ${shortDigest(onDisk.digest)}`;
      throw new WeightsMissingError(
        `the plan names weights of model ${model} with digest ${shortDigest(digest)}, but ${displayPath(file)} ${found}, and ` +
          `${displayPath(copies)} has no copy of them; put that file back, or run \`cascade profile\` and \`cascade plan\` on this one`,
      );
    }
    try {
      this.#copy(file, copies, digest);
    } catch (error) {
      return { file, uncopied: messageOf(error) };
    }
    prune(copies);
    return { file: copy };
  }

  /** Makes a complete copy or none, even if several processes do so. */
  #copy(file: string, copies: string, digest: string): void {
    mkdirSync(copies, { recursive: true });
    writeFileSync(join(this.#root, '.gitignore'), '*\n');
    const partial = join(copies, `${digest}.${randomBytes(4).toString('hex')}.tmp`);
    try {
      const [own, ...external] = modelFiles(file);
      copyInto(partial, join(dirname(file), own), FILE);
      for (const location of external) copyInto(partial, join(dirname(file), location), location);
      if (digestOf(join(partial, FILE)).digest !== digest)
        throw new Error(`${displayPath(file)} was changed while it was copied`);
      const copy = join(copies, digest);
      // An existing copy was just made by another process, or has been tampered with.
      if (digestOf(join(copy, FILE)).digest === digest) return;
      rmSync(copy, { recursive: true, force: true });
      renameSync(partial, copy);
    } finally {
      rmSync(partial, { recursive: true, force: true });
    }
  }
}

function copyInto(folder: string, from: string, name: string): void {
  const to = join(folder, name);
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to, constants.COPYFILE_FICLONE);
  chmodSync(to, 0o444);
}

/** Removes all but the most recently used copies, and remains of those that were not finished. */
function prune(copies: string): void {
  const usedAt = (name: string): number => statSync(join(copies, name), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const names = readdirSync(copies).map((name) => ({ name, at: usedAt(name), isPartial: name.endsWith('.tmp') }));
  const byAge = names.filter(({ isPartial }) => !isPartial).sort((a, b) => b.at - a.at);
  // Others may be copying now.
  const abandoned = names.filter(({ at, isPartial }) => isPartial && at < Date.now() - ABANDONED_MS);
  for (const { name } of [...byAge.slice(KEPT), ...abandoned]) rmSync(join(copies, name), { recursive: true, force: true });
}

/** Marks a copy as used. */
function touch(path: string): void {
  try {
    utimesSync(path, new Date(), new Date());
  } catch {
    // A read-only file system is not pruned either.
  }
}

/** A file that is missing or incomplete has none. */
function digestOf(file: string): { readonly digest?: string; readonly problem?: string } {
  if (!existsSync(file)) return { problem: 'it does not exist' };
  try {
    return { digest: modelDigest(file) };
  } catch (error) {
    return { problem: messageOf(error) };
  }
}
