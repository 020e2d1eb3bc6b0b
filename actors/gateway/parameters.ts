import { beginningOf } from '../../engine/beginning-of.ts';
import { invalid } from '../../engine/errors.ts';
import { checkDeadline } from '../../plans/protocol/request.ts';

type Parameters = Readonly<Record<string, unknown>>;

/** Triton's parameters for stateful models and tensors in shared memory; 0, false and empty mean that they are not used. */
const UNSUPPORTED = ['sequence_id', 'sequence_start', 'sequence_end', 'shared_memory_region'];
const US_PER_MS = 1_000;

/**
 * A request's deadline: `deadline_ms`, or Triton's `timeout` in microseconds (0: none). Unknown parameters are ignored, because
 * clients of other servers have their own.
 * @throws CascadeError INVALID_ARGUMENT for an invalid deadline, and for parameters that must not be ignored.
 */
export function deadlineMsOf(parameters: Parameters): number | undefined {
  refuseUnsupported(parameters, 'parameters');
  for (const name of Object.keys(parameters)) {
    if (name !== 'deadline_ms' && /^deadline/i.test(name))
      throw invalid(`parameters.${beginningOf(name, 40)}: did you mean deadline_ms?`);
  }
  const { deadline_ms: deadlineMs, timeout } = parameters;
  if (deadlineMs !== undefined) {
    checkDeadline(deadlineMs);
    return deadlineMs;
  }
  if (timeout === undefined || timeout === 0) return undefined;
  if (typeof timeout !== 'number' || !(timeout > 0)) {
    throw invalid(`parameters.timeout: ${JSON.stringify(timeout)}; use microseconds above 0, or deadline_ms`);
  }
  const timeoutMs = timeout / US_PER_MS;
  checkDeadline(timeoutMs);
  return timeoutMs;
}

/** @throws CascadeError INVALID_ARGUMENT */
export function refuseUnsupported(parameters: Parameters, where: string): void {
  for (const name of UNSUPPORTED) {
    if (parameters[name]) throw invalid(`${where}.${name} is not supported by this server`);
  }
}
