import type { MalformedMessage } from '../errors.ts';
import type { Channel, Codec, ParamsArgument } from './channel.ts';

/**
 * What a core wants done. It says so instead of doing it, so that its tests need no bus, no clock and no log.
 * @typeParam Task what takes time, described as data; see `ActorDefinition.tasks`.
 */
export type Effect<Task = never> =
  | {
      readonly type: 'send';
      /** Of the channel, and what its parameters are. */
      readonly pattern: string;
      readonly params: Readonly<Record<string, string>> | undefined;
      readonly message: unknown;
      readonly encode: () => Uint8Array;
    }
  | {
      readonly type: 'answer';
      /** The subject on which whoever asked wants the answer. */
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

/** Answers a question. The core makes sure that it may speak on that subject: whoever asked has chosen it. */
export function answer<T>({ encode }: Pick<Codec<T>, 'encode'>, message: T, to: string): Effect {
  return { type: 'answer', to, message, encode: () => encode(message) };
}

export function note(level: 'info' | 'warn' | 'error', text: string, fields: Readonly<Record<string, unknown>> = {}): Effect {
  return { type: 'log', level, text, fields };
}

/** A message that can be decoded, and means nothing here: it is counted like one that cannot. */
export function drop(error: MalformedMessage): Effect {
  return { type: 'drop', error };
}

/** Starts something that takes time, at once; what comes of it comes back to the core as a message. */
export function perform<Task>(task: Task): Effect<Task> {
  return { type: 'perform', task };
}

/** Only the state has changed. */
export const NO_EFFECTS: readonly never[] = [];
