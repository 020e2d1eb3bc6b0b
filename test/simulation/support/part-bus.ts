import type { Bus } from '../../../engine/bus/bus.ts';
import type { FaultyBus } from './faulty-bus.ts';

/** The connection of a process as one of its parts uses it, so that watchers of the network know which part publishes and listens. */
export function partBus(bus: FaultyBus, part: string): Bus {
  return {
    maxPayloadBytes: bus.maxPayloadBytes,
    status$: bus.status$,
    publish: (subject, data, options) => bus.publish(subject, data, options, part),
    handOver: (subject, value, encode) => bus.handOver(subject, value, encode, part),
    messages$: (subject, options) => bus.messages$(subject, options, part),
    request: (subject, data, options) => bus.request(subject, data, options),
    flush: () => bus.flush(),
    announce: () => bus.announce(),
    keyValue: (bucket, options) => bus.keyValue(bucket, options),
    workQueues: () => bus.workQueues(),
    losses$: bus.losses$,
    close: () => bus.close(),
  };
}
