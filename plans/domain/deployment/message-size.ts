import type { Sample } from '../../../engine/tensor/tensor.ts';
import { formatBytes } from './units.ts';

/** Of a nats-server whose configuration does not say otherwise. */
export const DEFAULT_MAX_PAYLOAD = 2 ** 20;
/** What a message holds beside the tensors of a request: see FRAME_HEADROOM_BYTES of the frontend. */
const HEADROOM_BYTES = 4_096;

/** Whether samples fit into messages of a NATS server; undefined: all do. */
export type Misfit = {
  /** Not even a typical sample fits: nothing can be served. */
  readonly typical: boolean;
  readonly message: string;
};

/**
 * @param samples a typical one, and the largest (see `warmUpSamples`).
 * @param server how to call it in the message.
 */
export function misfitOf(samples: readonly Sample[], maxPayloadBytes: number, server: string): Misfit | undefined {
  const sizes = samples.map((sample) => sample.reduce((sum, { data }) => sum + data.length, 0));
  const largest = Math.max(...sizes);
  const room = maxPayloadBytes - HEADROOM_BYTES;
  if (!(largest > room)) return undefined;
  const typical = sizes[0] > room;
  const megabytes = Math.ceil((largest + HEADROOM_BYTES) / 2 ** 20);
  const message =
    `${typical ? 'samples take' : 'the largest sample takes'} ${formatBytes(largest)} as tensors, and ${server} takes messages of ` +
    `at most ${formatBytes(maxPayloadBytes)}: write \`max_payload: ${megabytes}MB\` into its configuration and start it again`;
  return { typical, message };
}
