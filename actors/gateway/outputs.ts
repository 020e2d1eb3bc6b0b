import { CascadeError, invalid } from '../../engine/errors.ts';
import type { OipTensor } from '../../engine/oip/oip-client.ts';
import { encodeStrings } from '../../engine/tensor/strings.ts';
import type { Dtype } from '../../engine/tensor/tensor.ts';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';
import type { OutputValue, Result } from '../../plans/protocol/messages.ts';
import { MAX_OUTPUTS } from '../../plans/protocol/request.ts';

/** An output that clients of the gateway can ask for. */
export interface ServedOutput {
  readonly name: string;
  /** Undefined until the first answer shows it. */
  readonly dtype: Dtype | undefined;
  /** Without the batch axis; null: varies. Undefined until the first answer shows it. */
  readonly shape: readonly (number | null)[] | undefined;
  /** Whether it is returned by default. */
  readonly standard: boolean;
  /** What the deployment must be asked for: the scores, or an output of the models. */
  readonly needs: 'nothing' | 'scores' | 'output';
  readonly read: (result: Result) => OutputValue;
}

type Task = Pick<Deployment, 'task'> & { readonly classes: number; readonly named: boolean };

/**
 * The outputs of a deployment, by its task.
 * @param modelOutputs names of the models' own outputs; those that clash with one of ours are left out.
 */
export function outputsOf({ task, classes, named }: Task, modelOutputs: readonly string[]): ServedOutput[] {
  const standardOutputs: ServedOutput[] = [];
  switch (task) {
    case 'classification':
    case 'binary':
      standardOutputs.push(own('label', 'int64', [], ({ label }) => [required(label, 'label')]));
      if (named) standardOutputs.push(own('class_name', 'string', [], ({ className }) => [required(className, 'className')]));
      break;
    case 'multi-label':
      standardOutputs.push(own('labels', 'bool', [classes], ({ labels }) => oneHot(required(labels, 'labels'), classes)));
      break;
    case 'regression':
      standardOutputs.push(
        own('value', 'float64', classes === 1 ? [] : [classes], ({ value }) => numbersOf(required(value, 'value'))),
      );
      break;
    case 'custom':
      break;
  }
  standardOutputs.push(
    own('certainty', 'float32', [], ({ certainty }) => [certainty]),
    own('model', 'string', [], ({ model }) => [model]),
  );
  const extraOutputs = [
    own('stage', 'int32', [], ({ stage }) => [stage]),
    own('exit', 'string', [], ({ exit }) => [exit]),
    own('gear', 'int32', [], ({ gear }) => [gear]),
    own('revision', 'int64', [], ({ revision }) => [revision]),
  ].map((output) => ({ ...output, standard: false }));
  const scores = {
    ...own('scores', 'float32', [classes], ({ scores }) => required(scores, 'scores')),
    standard: false,
    needs: 'scores' as const,
  };
  const ours = [...standardOutputs, ...(task === 'custom' ? [] : [scores]), ...extraOutputs];
  const fromModels = modelOutputs
    .filter((name) => !ours.some((output) => output.name === name))
    // For a custom task, only these contain the answer.
    .map(
      (name, i): ServedOutput => ({
        name,
        dtype: undefined,
        shape: undefined,
        standard: task === 'custom' && i < MAX_OUTPUTS,
        needs: 'output',
        read: readOutput(name),
      }),
    );
  return [...ours, ...fromModels];
}

function own(
  name: string,
  dtype: NumberOrText,
  shape: readonly number[],
  values: (result: Result) => readonly (number | string)[],
): ServedOutput {
  return {
    name,
    dtype,
    shape,
    standard: true,
    needs: 'nothing',
    read: (result) => {
      const list = values(result);
      // Models of one family may give scores of different widths.
      return { dtype, shape: shape.length === 0 ? [] : [list.length], data: encodeValues(dtype, list) };
    },
  };
}

function readOutput(name: string): ServedOutput['read'] {
  return ({ outputs = {}, model }) => {
    const value = outputs[name];
    if (value === undefined)
      throw new CascadeError('INTERNAL', `the answer of model ${model} lacks the requested output ${name}`);
    return value;
  };
}

function required<T>(value: T | undefined, field: string): T {
  if (value === undefined) throw new CascadeError('INTERNAL', `the answer has no ${field}`);
  return value;
}

function numbersOf(value: number | readonly number[]): readonly number[] {
  return typeof value === 'number' ? [value] : value;
}

function oneHot(labels: readonly number[], classes: number): number[] {
  const hot = new Array<number>(classes).fill(0);
  for (const label of labels) hot[label] = 1;
  return hot;
}

type NumberOrText = 'int64' | 'int32' | 'float32' | 'float64' | 'bool' | 'string';

function encodeValues(dtype: NumberOrText, values: readonly (number | string)[]): Uint8Array {
  if (dtype === 'string') return encodeStrings(values.map(String));
  const numbers = values.map(Number);
  switch (dtype) {
    case 'int64':
      return new Uint8Array(BigInt64Array.from(numbers, BigInt).buffer);
    case 'int32':
      return new Uint8Array(Int32Array.from(numbers).buffer);
    case 'float32':
      return new Uint8Array(Float32Array.from(numbers).buffer);
    case 'float64':
      return new Uint8Array(Float64Array.from(numbers).buffer);
    case 'bool':
      return Uint8Array.from(numbers);
  }
}

/** Combines the answers to a request's samples, in order. @throws CascadeError when their types or shapes differ. */
export function joinAnswers(outputs: readonly ServedOutput[], results: readonly Result[]): OipTensor[] {
  return outputs.map(({ name, read }) => {
    const values = results.map(read);
    const [{ dtype, shape }] = values;
    const other = values.findIndex((value) => value.dtype !== dtype || value.shape.join() !== shape.join());
    if (other !== -1) {
      throw invalid(
        `output ${name} is ${kindOf(values[0])} for sample 0 and ${kindOf(values[other])} for sample ${other}; ask for it with one sample a request`,
      );
    }
    const data = values.length === 1 ? values[0].data : new Uint8Array(Buffer.concat(values.map((value) => value.data)));
    return { name, dtype, shape: [values.length, ...shape], data };
  });
}

function kindOf({ dtype, shape }: OutputValue): string {
  return `${dtype}[${shape.join(', ')}]`;
}
