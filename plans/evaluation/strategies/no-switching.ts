import { planned } from './planned.ts';

/** One cascade at all loads, the best that the planner finds (CascadeServe Fig. 12). */
export const noSwitching = planned('one-cascade');
