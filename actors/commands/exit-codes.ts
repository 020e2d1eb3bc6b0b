/** How processes end; 3, infeasible, is set by the planning commands. */
export const EXIT_ERROR = 1;
/** Wrong usage or configuration: starting again would not help. */
export const EXIT_USAGE = 2;
/**
 * Not for users: a device process tells the `serve` that started it that another host keeps its devices. It ends with code 2
 * itself, as does a device process that was started by hand.
 */
export const EXIT_TAKEN = 4;
