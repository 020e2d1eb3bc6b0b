import { planned } from './planned.ts';

/** The best single cascade for all loads that the planner finds (CascadeServe Fig. 12). */
export const noSwitching = planned('one-cascade');
