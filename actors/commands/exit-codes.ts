/** How processes end; 3, infeasible, is set by the planning commands. */
export const EXIT_ERROR = 1;
/** Wrong usage or configuration: starting again would not help. */
export const EXIT_USAGE = 2;
/** Of a device's process whose device another host runs, too, and keeps: for the process that started it. */
export const EXIT_TAKEN = 4;
