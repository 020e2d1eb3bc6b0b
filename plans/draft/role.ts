/** The purpose of an array or table, judging by its name. */
export type Role = 'test' | 'validation' | 'train' | undefined;

/** Best first. Models look too good on the data they were trained on. */
export const ROLES: readonly Role[] = ['test', 'validation', undefined, 'train'];

const WORDS: Readonly<Record<string, Role>> = {
  train: 'train',
  training: 'train',
  test: 'test',
  testing: 'test',
  holdout: 'test',
  eval: 'test',
  evaluation: 'test',
  val: 'validation',
  valid: 'validation',
  validation: 'validation',
  dev: 'validation',
};

/** @param name path in the folder, and the member: `mnist.npz#x_test`, `data/train/images.npy`, `XTest.npy`. */
export function roleOf(name: string): Role {
  const words = name
    .replace(/\.[a-z]+(?=#|$)/gi, ' ')
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/)
    .map((word) => word.replace(/^[xy](?=(train|test|val)$)/, ''));
  return words.map((word) => (Object.hasOwn(WORDS, word) ? WORDS[word] : undefined)).findLast((role) => role !== undefined);
}
