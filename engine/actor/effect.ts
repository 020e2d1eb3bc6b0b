import type { MalformedMessage } from '../errors.ts';
import type { Channel, Codec, ParamsArgument } from './channel.ts';

/**
 * What a core wants done. The core returns it instead of doing it, so its tests need no bus, clock or log.
 * @typeParam Task slow work, described as data; see `ActorDefinition.tasks`.
 */
export type Effect<Task = never> =
  | {
      readonly type: 'send';
      /** Of the channel. */
      readonly pattern: string;
      readonly params: Readonly<Record<string, string>> | undefined;
      readonly message: unknown;
      readonly encode: () => Uint8Array;
    }
  | {
      readonly type: 'answer';
      /** The reply subject of the question. */
      readonly to: string;
      readonly message: unknown;
      readonly encode: () => Uint8Array;
    }
  | {
      readonly type: 'log';
      readonly level: 'info' | 'warn' | 'error';
      readonly text: string;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  | { readonly type: 'drop'; readonly error: MalformedMessage }
  | { readonly type: 'perform'; readonly task: Task };

export function send<Pattern extends string, T>(
  { pattern, codec }: Channel<Pattern, T>,
  message: T,
  ...[params]: ParamsArgument<Pattern>
): Effect {
  return { type: 'send', pattern, params, message, encode: () => codec.encode(message) };
}

/** Answers a question. The sender chose the reply subject, so the core must check that it may publish there. */
export function answer<T>({ encode }: Pick<Codec<T>, 'encode'>, message: T, to: string): Effect {
  return { type: 'answer', to, message, encode: () => encode(message) };
}

export function note(level: 'info' | 'warn' | 'error', text: string, fields: Readonly<Record<string, unknown>> = {}): Effect {
  return { type: 'log', level, text, fields };
}

/** Drops a message that can be decoded but means nothing here; it is counted like one that cannot be decoded. */
export function drop(error: MalformedMessage): Effect {
  return { type: 'drop', error };
}

/** Starts a task at once; its outcome comes back to the core as a message. */
export function perform<Task>(task: Task): Effect<Task> {
  return { type: 'perform', task };
}

/** Only the state has changed. */
export const NO_EFFECTS: readonly never[] = [];
