import type { TensorSpec } from '../../engine/tensor/tensor.ts';
import { type ArrayCandidate, describeCandidate, inputScore, isNamedLike, labelScore, misfitInput } from './array-candidates.ts';
import type { Proposal } from './proposal.ts';

/** Limit on combinations, because each one is read completely. */
const MAX_LABELS = 4;

/**
 * Arrays that may be the data. For each array that fits the first input, it finds arrays with the same number of samples for the other
 * inputs and for the labels, by name, likeliest first.
 * @param labelTables row count of each table that may hold labels for arrays, by path.
 */
export function arrayProposals(
  arrays: readonly ArrayCandidate[],
  labelTables: ReadonlyMap<string, number>,
  specs: readonly TensorSpec[],
): readonly Proposal[] {
  const [first, ...others] = specs.map((spec) => fitting(arrays, spec));
  return first.flatMap((head) => {
    const partners = others.map((candidates) => likeliest(candidates, head));
    if (partners.includes(undefined)) return [];
    const chosen = [head, ...(partners as ArrayCandidate[])];
    const inputs = Object.fromEntries(specs.map((spec, i) => [spec.name, chosen[i].path]));
    const labels = labelsFor(arrays, labelTables, chosen);
    const notes = notesOn(specs, chosen, first);
    return [...labels, undefined].map((path) => ({ data: { inputs, labels: path }, role: head.role, file: undefined, notes }));
  });
}

/** Why arrays that fit the first input are not used: no array for another input has as many samples. */
export function unpaired(arrays: readonly ArrayCandidate[], specs: readonly TensorSpec[]): readonly string[] {
  const [first, ...others] = specs.map((spec) => fitting(arrays, spec));
  return first.flatMap((head) =>
    others.flatMap((candidates, i) =>
      candidates.length === 0 || likeliest(candidates, head) !== undefined
        ? []
        : [
            `${describeCandidate(head)}, but no array for ${specs[i + 1].name} has as many samples: ${candidates.map(describeCandidate).join(', ')}`,
          ],
    ),
  );
}

function fitting(arrays: readonly ArrayCandidate[], spec: TensorSpec): readonly ArrayCandidate[] {
  return arrays
    .filter((array) => misfitInput(spec, array) === undefined)
    .toSorted((a, b) => inputScore(spec, b) - inputScore(spec, a));
}

/** Must have as many samples as the first input, and preferably the same role. */
function likeliest(candidates: readonly ArrayCandidate[], { shape, role, path }: ArrayCandidate): ArrayCandidate | undefined {
  const partners = candidates.filter((array) => array.shape[0] === shape[0] && array.path !== path);
  return partners.find((array) => array.role === role) ?? partners[0];
}

/** Paths of possible labels for the chosen inputs, likeliest first. */
function labelsFor(
  arrays: readonly ArrayCandidate[],
  tables: ReadonlyMap<string, number>,
  chosen: readonly ArrayCandidate[],
): readonly string[] {
  const [{ shape, role }] = chosen;
  const scored = arrays
    .filter((array) => !chosen.includes(array))
    .flatMap((array) => {
      const score = labelScore(array, shape[0]);
      return score === undefined ? [] : [{ path: array.path, score: score + (array.role === role ? 8 : 0) }];
    });
  const inTables = [...tables].filter(([, rows]) => rows === shape[0]).map(([path]) => ({ path, score: 0 }));
  return [...scored, ...inTables]
    .toSorted((a, b) => b.score - a.score)
    .slice(0, MAX_LABELS)
    .map(({ path }) => path);
}

function notesOn(
  specs: readonly TensorSpec[],
  chosen: readonly ArrayCandidate[],
  all: readonly ArrayCandidate[],
): readonly string[] {
  const notes = specs.flatMap((spec, i) => {
    const { name, dtype } = chosen[i];
    if (dtype === spec.dtype || dtype === 'text') return [];
    const scale =
      dtype === 'uint8' && spec.dtype.startsWith('float') ? '; if the models were trained on scaled values, save those' : '';
    return [`${name} is ${dtype}, and is read as ${spec.dtype}, which the models need${scale}`];
  });
  const guessed = specs.filter((spec, i) => specs.length > 1 && !isNamedLike(spec, chosen[i]));
  if (guessed.length > 0) {
    const pairs = guessed.map((spec) => `${chosen[specs.indexOf(spec)].name} as ${spec.name}`);
    notes.push(`${pairs.join(', ')}: guessed from shapes and order, not from names; please check`);
  }
  const [{ role }] = chosen;
  const training = all.filter((array) => array.role === 'train').map(({ name }) => name);
  if (role === 'train') {
    notes.push(
      `${training.join(', ')}: training data, because there are no others; accuracy on data that models were trained on is too good to be true`,
    );
  } else if (training.length > 0) {
    notes.push(
      `${training.join(', ')}: training data, not used; accuracy on data that models were trained on is too good to be true`,
    );
  }
  return notes;
}
