import type { Sample } from '../../../engine/tensor/tensor.ts';
import { formatBytes } from './units.ts';

/** Of a nats-server whose configuration does not change it. */
export const DEFAULT_MAX_PAYLOAD = 2 ** 20;
/** Room in a message for everything except the tensors of a request: see FRAME_HEADROOM_BYTES of the frontend. */
const HEADROOM_BYTES = 4_096;

/** Samples that do not fit into messages of a NATS server; undefined when all do. */
export type Misfit = {
  /** Even a typical sample does not fit, so nothing can be served. */
  readonly typical: boolean;
  readonly message: string;
};

/**
 * @param samples a typical one and the largest (see `warmUpSamples`).
 * @param server what to call the server in the message.
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
    `at most ${formatBytes(maxPayloadBytes)}: set \`max_payload: ${megabytes}MB\` in its configuration and restart it`;
  return { typical, message };
}
