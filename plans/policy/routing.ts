import { TOLERATED_SLOWDOWN } from './device-speed.ts';

/**
 * Smooth weighted round-robin (as in nginx) over the devices of one model: each pick raises every device's credit by its
 * share and takes the highest, so that any window of picks is as close to the shares as whole requests allow.
 * @param credit mutated; one entry per device, starting at 0.
 * @param offset where this model's row starts in the arrays.
 * @param usable 1 where the replica is reachable; default: all are.
 * @returns the device number, or -1 when no usable replica has a share.
 */
export function pickDevice(
  shares: Float64Array,
  credit: Float64Array,
  offset: number,
  devices: number,
  usable: Uint8Array | undefined,
): number {
  let best = -1;
  let total = 0;
  for (let d = 0; d < devices; d++) {
    const share = shares[offset + d];
    if (share <= 0 || (usable !== undefined && usable[offset + d] === 0)) continue;
    total += share;
    credit[offset + d] += share;
    if (best === -1 || credit[offset + d] > credit[offset + best]) best = d;
  }
  if (best !== -1) credit[offset + best] -= total;
  return best;
}

/**
 * Shares of a gear at the measured speed: a device at half its profiled speed gets half as much, relative to the others (see
 * pickDevice).
 * @param slowdown per device.
 * @returns the gear's own shares when no device is slow.
 */
export function sharesAtSpeed(shares: Float64Array, slowdown: Float64Array): Float64Array {
  if (slowdown.every((factor) => factor <= TOLERATED_SLOWDOWN)) return shares;
  return shares.map((share, replica) => share / slowdown[replica % slowdown.length]);
}
