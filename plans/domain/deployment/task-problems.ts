import type { DeploymentYaml } from './schema.ts';
import type { Problem } from './yaml-problems.ts';

/** Settings that do not fit the task, or that it requires. */
export function taskProblems(yaml: DeploymentYaml): Problem[] {
  const { task, certainty, tolerance, data, models = [], synthetic, audit } = yaml;
  const problems: Problem[] = [];
  const refuse = (path: Problem['path'], message: string): void => void problems.push({ path, message });
  if (synthetic !== undefined && task !== 'classification')
    refuse(['task'], `${task} needs real models; a synthetic family only makes up classes: write classification`);
  if ((task === 'regression' || task === 'custom') && typeof certainty === 'string')
    refuse(
      ['certainty'],
      `${certainty} is estimated from class scores, which task ${task} does not have; write { output: NAME }, or { spread: NAME } for an output with one column per member of an ensemble`,
    );
  if (task === 'regression' && tolerance === undefined)
    refuse(['tolerance'], 'is missing; task regression needs it: the largest error of a right answer, in the unit of the values');
  if (task !== 'regression' && tolerance !== undefined) refuse(['tolerance'], `belongs to task regression; the task is ${task}`);
  if (task === 'custom' && data !== undefined && data.quality === undefined)
    refuse(
      ['data', 'quality'],
      'is missing; task custom needs it: the quality of each model on each sample, such as { small: small.npy, large: large.npy }',
    );
  if (task !== 'custom' && data?.quality !== undefined)
    refuse(['data', 'quality'], `belongs to task custom; task ${task} determines the quality of answers from the labels`);
  if (task === 'custom' && audit !== undefined)
    refuse(['audit'], 'compares answers, which is not possible for task custom; leave it out');
  if (typeof data?.quality === 'object') {
    const names = models.map(({ name }) => name);
    for (const name of Object.keys(data.quality))
      if (!names.includes(name)) refuse(['data', 'quality', name], `is not a model; the models are ${names.join(', ')}`);
    for (const name of names)
      if (!Object.hasOwn(data.quality, name))
        refuse(['data', 'quality'], `has no file for model ${name}; name one for each model`);
  }
  return problems;
}
