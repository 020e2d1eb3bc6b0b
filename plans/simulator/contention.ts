/** Schedulers are fair: others get no more of a core than this. */
const MOST_SHARE = 0.6;

/** How much longer batches take. @param share of the time of a device's cores that others want. */
export function contentionOf(share: number): number {
  return 1 / (1 - Math.min(MOST_SHARE, share));
}
