import type { TensorSpec } from '../../engine/tensor.ts';
import { namesInConfig, namesInLines } from './class-names.ts';
import type { Section } from './commented-yaml.ts';
import type { FoundData } from './find-data.ts';
import type { FoundModel } from './find-models.ts';

/** A choice that a draft makes for its author: what is written, and why. */
export type Choice = Section;

/**
 * What a deployment says of the models' scores and inputs, with a reason for each choice. What is as the defaults have it is left
 * out.
 * @param name how a file is called.
 */
export function chooseOptions(
  models: readonly FoundModel[],
  specs: readonly TensorSpec[],
  data: FoundData | undefined,
  name: (file: string) => string,
): readonly Choice[] {
  return [chooseScores(models), chooseClasses(models, data, name), ...explainLengths(specs)];
}

function chooseScores(models: readonly FoundModel[]): Choice {
  const outputs = models.flatMap((model) => model.outputs.map((output) => output.name));
  const telling = outputs.find((output) => /prob|softmax|sigmoid/i.test(output));
  return telling === undefined
    ? { value: { scores: 'logits' }, comments: ['`logits` unless the models end in a softmax: then write `probabilities`.'] }
    : { value: { scores: 'probabilities' }, comments: [`The output ${telling} is called so.`] };
}

function chooseClasses(models: readonly FoundModel[], data: FoundData | undefined, name: (file: string) => string): Choice {
  for (const { file, triton } of models) {
    const found = triton?.labelFile === undefined ? namesInConfig(file) : namesInLines(triton.labelFile);
    if (found !== undefined) {
      return {
        value: { classes: found.names },
        comments: [`Names of the classes in the order of the scores, from ${name(found.file)}.`],
      };
    }
  }
  if (data?.names === undefined) return { value: {}, comments: [] };
  return {
    value: { classes: data.names },
    comments: ['The labels are names: these, in the order of the alphabet. It must be the order of the scores.'],
  };
}

function explainLengths(specs: readonly TensorSpec[]): readonly Choice[] {
  const ragged = specs.filter((spec) => spec.shape.includes(null)).map((spec) => spec.name);
  if (ragged.length === 0) return [];
  const [first] = ragged;
  return [
    {
      value: {},
      comments: [
        `Samples of ${ragged.join(' and ')} differ in length, and only those of equal shape share a batch. Where the models ignore padding, because a mask tells them or the value means nothing to them, declare it and more of them do:`,
        `inputs: { ${first}: { pad: 0 } }`,
      ],
    },
  ];
}
