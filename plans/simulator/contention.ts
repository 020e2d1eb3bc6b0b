/** Schedulers are fair, so others get no more of a core than this. */
const MOST_SHARE = 0.6;

/** Factor by which batches take longer. @param share of the time for which others want a device's cores. */
export function contentionOf(share: number): number {
  return 1 / (1 - Math.min(MOST_SHARE, share));
}
