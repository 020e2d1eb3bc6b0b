/** Interprets ONNX Runtime's errors: what failed, and whether the sample is to blame. */

const LONGEST = 300;
/** Errors of the device, whatever the sample. */
const NOT_THE_SAMPLE = /alloc|out of memory|cuda|cudnn|cublas/i;

/** The model cannot take this sample: it has answered others, and fails on this one alone. */
export class UnfitSample extends Error {}

/**
 * Converts the error of an inference to one of ours.
 * @param message of the runtime.
 * @param alone whether the batch was a single sample and the model has answered others.
 */
export function inferenceError(message: string, alone: boolean): Error {
  const words = shortened(message);
  return alone && !NOT_THE_SAMPLE.test(words) ? new UnfitSample(`cannot take this sample: ${words}`) : new Error(words);
}

/** The operator and its message, without the runtime's source files, functions and conditions. */
export function shortened(message: string): string {
  const [, operator] = /while running (\S+) node\./.exec(message) ?? [];
  const said = message
    .replace(/^.*Status Message: /s, '')
    .replace(/^Load model from .*? failed: ?/s, '')
    .replace(/^\S*onnxruntime\S*:\d+ .*? was false\. ?/s, '')
    .replace(/^\S*onnxruntime\S*:\d+ (.*)/s, (_, rest: string) => withoutSignature(rest))
    .replaceAll(/\s+/g, ' ')
    .trim();
  const words = operator === undefined ? said : `${operator}: ${said}`;
  return words.length > LONGEST ? `${words.slice(0, LONGEST)}...` : words;
}

/** The text after the C++ function that it begins with, as the compiler spells it. */
function withoutSignature(text: string): string {
  const head = /^[\w\s:<>,&*~[\]]*::[\w<>,:~[\]]+\(/.exec(text)?.[0];
  if (head === undefined) return text;
  let at = head.length;
  for (let depth = 1; depth > 0 && at < text.length; at++) {
    if (text[at] === '(') depth++;
    else if (text[at] === ')') depth--;
  }
  return text
    .slice(at)
    .replace(/^ const\b/, '')
    .replace(/^ \[with [^\]]*\]/, '');
}
