import { readModelInterface } from '../../../engine/backend/onnx-file.ts';
import { ConfigError } from '../../../engine/errors.ts';
import type { Deployment } from '../deployment/deployment.ts';
import { isOnServersOnly } from '../deployment/model-entry.ts';

/**
 * Names of the classes in the order of the scores, from the deployment, else from the models.
 * @throws ConfigError when two models name them differently.
 */
export function familyClasses({
  classes,
  models,
  inputs,
  file,
}: Pick<Deployment, 'classes' | 'models' | 'inputs' | 'file'>): readonly string[] | undefined {
  if (classes !== undefined) return classes;
  const named = models.flatMap((model) => {
    if (isOnServersOnly(model)) return [];
    const { classLabels } = readModelInterface(model.file, inputs, model.inputs);
    return classLabels === undefined ? [] : [{ name: model.name, classes: classLabels.map(String) }];
  });
  const [first, ...others] = named;
  const other = others.find((model) => model.classes.join('\0') !== first.classes.join('\0'));
  if (other === undefined) return first?.classes;
  throw new ConfigError(
    `${file}: model ${first.name} has the classes ${first.classes.join(', ')}, but model ${other.name} has ${other.classes.join(', ')}; models of a family must share their classes: export them with the same ones`,
  );
}
