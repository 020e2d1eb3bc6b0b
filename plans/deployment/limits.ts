/** Ranges of load that a plan may have: each has a gear to be planned and simulated. */
export const MAX_RANGES = 1024;
