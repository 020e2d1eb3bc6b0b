/** Exit codes; the planning commands also use 3, for infeasible. */
export const EXIT_ERROR = 1;
/** Wrong usage or configuration: retrying would not help. */
export const EXIT_USAGE = 2;
/**
 * Internal: a device process tells the `serve` command that started it that another host has its devices. That command then exits with
 * code 2, as does a device process started by hand.
 */
export const EXIT_TAKEN = 4;
