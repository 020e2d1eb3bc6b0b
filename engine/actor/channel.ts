import { filter, map, type Observable } from 'rxjs';
import type { Bus, BusMessage, ListenOptions } from '../bus/bus.ts';
import { type Drops, decoded } from './drops.ts';

/** Encodes and decodes the messages of a channel. `decode` throws MalformedMessage; callers may keep what it returns. */
export interface Codec<T> {
  encode(message: T): Uint8Array;
  decode(data: Uint8Array): T;
}

/**
 * Who receives a message: every subscriber, one member of the channel's group, the one process that owns the subject, or
 * whoever answers it.
 */
type Delivery = 'all' | 'group' | 'owner' | 'request';

/** A kind of message and its subject, declared once: subjects, types, documents and permissions are derived from it. */
export interface Channel<Pattern extends string = string, T = unknown> {
  /** Subject below the deployment's root. `<name>` stands for one token and is a parameter of the channel. */
  readonly pattern: Pattern;
  readonly codec: Codec<T>;
  readonly delivery: Delivery;
  /** Name of the group, for delivery `group`. */
  readonly group?: string;
  /** For delivery `owner`: messages from the owner's own process bypass the server. */
  readonly loopback?: boolean;
  /** JetStream stores the messages; they are read from the stream, not through a subscription. */
  readonly stored?: boolean;
  /** Roles that may publish, and roles that may subscribe. */
  readonly from: readonly string[];
  readonly to: readonly string[];
  /** One sentence, for the reference in docs/. */
  readonly about: string;
  readonly example: T;
}

/** The parameters in a pattern, by name: those of `work.<device>.<model>` are `device` and `model`. */
export type ParamsOf<Pattern extends string> = Pattern extends `${string}<${infer Name}>${infer Rest}`
  ? { readonly [K in Name | keyof ParamsOf<Rest>]: string }
  : Readonly<Record<never, string>>;

/** The argument is required exactly when the channel has parameters, so nobody can forget them. */
export type ParamsArgument<Pattern extends string> = keyof ParamsOf<Pattern> extends never ? [] : [params: ParamsOf<Pattern>];

export function channel<const Pattern extends string, T>(
  pattern: Pattern,
  declaration: Omit<Channel<Pattern, T>, 'pattern'>,
): Channel<Pattern, T> {
  return { pattern, ...declaration };
}

const PARAMETER = /<([^>]+)>/g;

/** The subject of a channel. Missing parameters become wildcards. */
export function subjectOf(root: string, pattern: string, params: Readonly<Record<string, string>> = {}): string {
  return `${root}.${pattern.replace(PARAMETER, (_, name: string) => params[name] ?? '*')}`;
}

/** A message and the subject on which its sender expects the answer; `reply` is empty if it expects none. */
export interface Question<T> {
  readonly message: T;
  readonly reply: string;
}

/** An actor's access to the channels below one root. Drops and counts messages that it cannot decode. */
export class Channels {
  readonly #root: string;
  readonly #bus: Bus;
  readonly #drops: Drops;

  constructor(root: string, { bus, drops }: { readonly bus: Bus; readonly drops: Drops }) {
    this.#root = root;
    this.#bus = bus;
    this.#drops = drops;
  }

  /** Returns false if the message was dropped because there is no connection. */
  send<Pattern extends string, T>(to: Channel<Pattern, T>, message: T, ...[params]: ParamsArgument<Pattern>): boolean {
    return this.publish(to.pattern, to.codec.encode(message), params);
  }

  /** Like `send`, for data that the channel's codec has already encoded. */
  publish(pattern: string, data: Uint8Array, params: Readonly<Record<string, string>> | undefined): boolean {
    return this.#bus.publish(subjectOf(this.#root, pattern, params), data);
  }

  /** Messages of a channel, on all its subjects or on those with the given parameters. */
  receive$<Pattern extends string, T extends object>(
    from: Channel<Pattern, T>,
    params: Partial<ParamsOf<Pattern>> = {},
  ): Observable<T> {
    return this.#messages$(from, params as Readonly<Record<string, string>>).pipe(
      decoded((data) => from.codec.decode(data), this.#drops),
    );
  }

  /** Messages with their reply subjects. */
  questions$<T>(from: Channel<string, T>): Observable<Question<T>> {
    return this.#messages$(from, {}).pipe(
      map(({ data, reply }) => this.#drops.unlessMalformed(() => ({ message: from.codec.decode(data), reply }))),
      filter((question) => question !== undefined),
    );
  }

  #messages$(from: Listening, params: Readonly<Record<string, string>>): Observable<BusMessage> {
    return this.#bus.messages$(subjectOf(this.#root, from.pattern, params), listenOptions(from));
  }
}

type Listening = Pick<Channel, 'pattern' | 'delivery' | 'group' | 'loopback'>;

function listenOptions({ delivery, group, loopback }: Listening): ListenOptions {
  if (group !== undefined) return { queue: group };
  return delivery === 'owner' && loopback === true ? { exclusive: true } : {};
}
