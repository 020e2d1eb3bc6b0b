/** Most load ranges a plan may have: each needs a gear to be planned and simulated. */
export const MAX_RANGES = 1024;

/** Most devices that `provision` considers: it makes a plan for each number it tries, and larger ones take longer. */
export const MAX_DEVICES = 1024;
