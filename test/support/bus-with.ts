import type { Bus } from '../../engine/bus/bus.ts';

/** Overrides some methods of a bus, for example to record what is published. */
export function busWith(bus: Bus, changes: Partial<Bus>): Bus {
  return {
    maxPayloadBytes: bus.maxPayloadBytes,
    status$: bus.status$,
    publish: (...args) => bus.publish(...args),
    handOver: (...args) => bus.handOver(...args),
    messages$: (...args) => bus.messages$(...args),
    request: (...args) => bus.request(...args),
    flush: () => bus.flush(),
    keyValue: (...args) => bus.keyValue(...args),
    workQueues: () => bus.workQueues(),
    losses$: bus.losses$,
    announce: (...args) => bus.announce(...args),
    close: () => bus.close(),
    ...changes,
  };
}
