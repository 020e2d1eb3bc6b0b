/** What ONNX Runtime says when an inference fails, and whose fault that is. */

const LONGEST = 300;
/** Of the device, whatever the sample. */
const NOT_THE_SAMPLE = /alloc|out of memory|cuda|cudnn|cublas/i;

/** A model that has answered other samples fails on this one, alone: what the sample holds is not what the model takes. */
export class UnfitSample extends Error {}

/**
 * The error of an inference as ours.
 * @param message of the runtime.
 * @param alone whether the batch was one sample, and the model has answered others.
 */
export function inferenceError(message: string, alone: boolean): Error {
  const words = shortened(message);
  return alone && !NOT_THE_SAMPLE.test(words) ? new UnfitSample(`cannot take this sample: ${words}`) : new Error(words);
}

/** The operator and what it says, without source files, functions and conditions of the runtime. */
export function shortened(message: string): string {
  const [, operator] = /while running (\S+) node\./.exec(message) ?? [];
  const said = message
    .replace(/^.*Status Message: /s, '')
    .replace(/^\S*onnxruntime\S*:\d+ .*? was false\. ?/s, '')
    .replace(/^\S*onnxruntime\S*:\d+ /, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
  const words = operator === undefined ? said : `${operator}: ${said}`;
  return words.length > LONGEST ? `${words.slice(0, LONGEST)}...` : words;
}
