/** Ranges of load that a plan may have: each has a gear to be planned and simulated. */
export const MAX_RANGES = 1024;

/** Devices that may be provisioned: each number that is tried is planned for, ever longer. */
export const MAX_DEVICES = 1024;
