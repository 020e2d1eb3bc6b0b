import { type Channel, subjectOf } from '../../engine/actor/channel.ts';
import { CHANNELS } from './channels.ts';

/** One process of each kind, whose subjects stand for all of their kind. */
export interface ServingNames {
  readonly device: string;
  readonly model: string;
  readonly frontend: string;
}

/** The roles that are processes of `cascade serve`. */
const SERVING = ['frontend', 'device', 'controller'];

/**
 * Where the processes of `cascade serve` publish and subscribe, according to the declared channels. Channels that JetStream
 * stores are left out: a test message published there would be stored, and nobody subscribes to them.
 */
export function servingSubjects(root: string, names: ServingNames): { publish: string[]; subscribe: string[] } {
  const channels: readonly Pick<Channel, 'pattern' | 'delivery' | 'stored' | 'from' | 'to'>[] = Object.values(CHANNELS);
  const plain = channels.filter(({ stored }) => stored !== true);
  const { device, model, frontend } = names;
  const isServing = (role: string): boolean => SERVING.includes(role);
  return {
    publish: plain
      .filter(({ from }) => from.some(isServing))
      .map(({ pattern }) => subjectOf(root, pattern, { device, model, frontend, name: frontend })),
    subscribe: plain
      .filter(({ to }) => to.some(isServing))
      // The owner of a subject subscribes to its own, for all models; other subscribers use a wildcard for every name.
      .map(({ pattern, delivery }) => subjectOf(root, pattern, delivery === 'owner' ? { device, frontend } : {})),
  };
}
