import { planned } from './planned.ts';

/** Single models switched by load, placed, balanced and batched by the planner (CascadeServe Fig. 12). */
export const noCascade = planned('single-models');
