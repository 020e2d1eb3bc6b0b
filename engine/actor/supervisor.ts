import type { Clock } from '../clock.ts';
import { ActorGivenUp, messageOf } from '../errors.ts';
import { type Actor, type ActorSystem, type RunningActor, type SupervisedActor, startActor } from './actor.ts';

/** Actors that each depend on those before them: when one dies, those after it are stopped and restarted with it. */
export interface Together {
  readonly together: readonly Actor[];
}

export function together(...actors: readonly Actor[]): Together {
  return { together: actors };
}

/** An actor that dies more than `deaths` times within `withinMs` is given up, and its role with it. */
interface DeathLimit {
  readonly deaths: number;
  readonly withinMs: number;
}

/** With the back-off, an actor that dies at every start is given up after about half a minute. */
const DEATH_LIMIT: DeathLimit = { deaths: 10, withinMs: 60_000 };

/** The actors of a role, or of a part of it that drains as a unit. */
export interface Supervisor {
  readonly actors: readonly RunningActor[];
  /** Resolves with the reason when an actor is given up; otherwise stays pending. */
  readonly failed: Promise<Error>;
  /** Drains all actors. @returns the names of those that had to be cut off after `graceMs`. */
  stop(graceMs: number): Promise<string[]>;
}

/** Starts actors in the given order and restarts those that die, until one dies too often. */
export function supervise(children: readonly (Actor | Together)[], system: ActorSystem, limit = DEATH_LIMIT): Supervisor {
  const actors = children.flatMap((child) => startGroup('together' in child ? child.together : [child], system, limit));
  return {
    actors,
    failed: new Promise((resolve) => {
      for (const { finished } of actors) void finished.then((cause) => cause !== undefined && resolve(cause));
    }),
    async stop(graceMs) {
      const inTime = await Promise.all(actors.map((actor) => actor.stop(graceMs)));
      return actors.filter((_, i) => !inTime[i]).map(({ name }) => name);
    },
  };
}

function startGroup(group: readonly Actor[], system: ActorSystem, limit: DeathLimit): SupervisedActor[] {
  const started: SupervisedActor[] = [];
  /** The members that are down because one before them is. */
  const suspended = new Set<SupervisedActor>();
  for (const [i, actor] of group.entries()) {
    const deaths = new RecentDeaths(limit, system.clock);
    const after = (): SupervisedActor[] => started.slice(i + 1);
    const running = startActor(actor, system, {
      onDeath: (error) => {
        if (deaths.isTooMany()) return new ActorGivenUp(describe(actor, limit, error));
        for (const sibling of after()) {
          if (suspended.has(sibling)) continue;
          suspended.add(sibling);
          sibling.suspend();
          system.log.info({ actor: sibling.name, with: actor.name }, 'actor stopped, because one that it depends on died');
        }
        return undefined;
      },
      onRestart: () => {
        for (const sibling of after()) if (suspended.delete(sibling)) sibling.resume();
      },
    });
    started.push(running);
  }
  return started;
}

class RecentDeaths {
  readonly #limit: DeathLimit;
  readonly #clock: Clock;
  #at: number[] = [];

  constructor(limit: DeathLimit, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
  }

  /** Counts one more death. */
  isTooMany(): boolean {
    const now = this.#clock.now();
    this.#at = [...this.#at.filter((at) => now - at < this.#limit.withinMs), now];
    return this.#at.length > this.#limit.deaths;
  }
}

function describe({ name }: Actor, { deaths, withinMs }: DeathLimit, error: unknown): string {
  return `actor ${name} died more than ${deaths} times within ${withinMs / 1_000} s and will not be restarted; last error: ${messageOf(error)}`;
}
