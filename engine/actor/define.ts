import { map, merge, type Observable, takeUntil, tap } from 'rxjs';
import { every } from '../clock.ts';
import { assertNever, type MalformedMessage } from '../errors.ts';
import type { Actor, ActorContext } from './actor.ts';
import { type Channel, Channels, type ParamsArgument, type ParamsOf } from './channel.ts';

/** What a core wants done. It says so instead of doing it, so that its tests need no bus, no clock and no log. */
export type Effect =
  | {
      readonly type: 'send';
      /** Of the channel, and what its parameters are. */
      readonly pattern: string;
      readonly params: Readonly<Record<string, string>> | undefined;
      readonly message: unknown;
      readonly encode: () => Uint8Array;
    }
  | {
      readonly type: 'log';
      readonly level: 'info' | 'warn' | 'error';
      readonly text: string;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  | { readonly type: 'drop'; readonly error: MalformedMessage };

export function send<Pattern extends string, T>(
  { pattern, codec }: Channel<Pattern, T>,
  message: T,
  ...[params]: ParamsArgument<Pattern>
): Effect {
  return { type: 'send', pattern, params, message, encode: () => codec.encode(message) };
}

export function note(level: 'info' | 'warn' | 'error', text: string, fields: Readonly<Record<string, unknown>> = {}): Effect {
  return { type: 'log', level, text, fields };
}

/** A message that can be decoded, and means nothing here: it is counted like one that cannot. */
export function drop(error: MalformedMessage): Effect {
  return { type: 'drop', error };
}

/** Only the state has changed. */
export const NO_EFFECTS: readonly Effect[] = [];

/** One thing that an actor reacts to; see `on`, `each` and `from`. */
export type Reaction<Core> = (core: Core, context: ActorContext, channels: Channels) => Observable<readonly Effect[]>;

/** A message on a channel; `params` narrows it to some of its subjects. */
export function on<Core, Pattern extends string, T extends object>(
  channel: Channel<Pattern, T>,
  react: (core: Core, message: T, now: number) => readonly Effect[],
  params: Partial<ParamsOf<Pattern>> = {},
): Reaction<Core> {
  return (core, { clock }, channels) =>
    channels.receive$(channel, params).pipe(map((message) => react(core, message, clock.now())));
}

/** A timer. */
export function each<Core>(periodMs: number, react: (core: Core, now: number) => readonly Effect[]): Reaction<Core> {
  return (core, { clock }) => every(clock, periodMs).pipe(map(() => react(core, clock.now())));
}

/** Whatever else the actor is told, by its process or by a source that takes time. */
export function from<Core, T>(
  source: (core: Core, context: ActorContext) => Observable<T>,
  react: (core: Core, value: T, now: number) => readonly Effect[],
): Reaction<Core> {
  return (core, context) => source(core, context).pipe(map((value) => react(core, value, context.clock.now())));
}

export interface ActorDefinition<Core> {
  readonly name: string;
  readonly description: string;
  /** Of the subjects of its channels. */
  readonly root: string;
  /** State of a fresh start, and the rules that change it: plain code, which gets the time as an argument. */
  readonly core: (now: number) => Core;
  readonly reactions: readonly Reaction<Core>[];
}

/** An actor from its definition. Messages that cannot be decoded are dropped and counted; a core that throws is started afresh. */
export function defineActor<Core>({ name, description, root, core: fresh, reactions }: ActorDefinition<Core>): Actor {
  return {
    name,
    description,
    behaviour: (context) => {
      const channels = new Channels(root, context);
      const core = fresh(context.clock.now());
      return merge(...reactions.map((reaction) => reaction(core, context, channels))).pipe(
        tap((effects) => {
          for (const effect of effects) perform(effect, context, channels);
        }),
        takeUntil(context.stopping$),
      );
    },
  };
}

function perform(effect: Effect, { log, drops }: ActorContext, channels: Channels): void {
  switch (effect.type) {
    case 'send':
      channels.publish(effect.pattern, effect.encode(), effect.params);
      return;
    case 'log':
      log[effect.level](effect.fields, effect.text);
      return;
    case 'drop':
      drops.count(effect.error.reason, effect.error.message);
      return;
    default:
      assertNever(effect);
  }
}
