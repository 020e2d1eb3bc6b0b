import { planned } from './planned.ts';

/** CascadeServe: cascades, switched by load. */
export const cascade = planned(undefined);
