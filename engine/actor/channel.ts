import { filter, map, type Observable } from 'rxjs';
import type { Bus, BusMessage, ListenOptions } from '../bus/bus.ts';
import { type Drops, decoded } from './drops.ts';

/** Reads and writes the messages of a channel. `decode` throws MalformedMessage; what it returns may be kept. */
export interface Codec<T> {
  encode(message: T): Uint8Array;
  decode(data: Uint8Array): T;
}

/**
 * Who receives a message: every subscriber, one member of the channel's group, the one process that owns the subject, or
 * whoever answers it.
 */
type Delivery = 'all' | 'group' | 'owner' | 'request';

/** What an actor says to others, and where. Declared once; subjects, types, documents and permissions follow from it. */
export interface Channel<Pattern extends string = string, T = unknown> {
  /** Subject below the deployment's root. `<name>` stands for one token, a parameter of the channel. */
  readonly pattern: Pattern;
  readonly codec: Codec<T>;
  readonly delivery: Delivery;
  /** Name of the group, with delivery to one of it. */
  readonly group?: string;
  /** With delivery to the owner: what its own process sends does not go through the server. */
  readonly loopback?: boolean;
  /** JetStream stores what is published: it is taken from there, not subscribed to. */
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

/** No argument where a channel has no parameters, so that none can be forgotten. */
export type ParamsArgument<Pattern extends string> = keyof ParamsOf<Pattern> extends never ? [] : [params: ParamsOf<Pattern>];

export function channel<const Pattern extends string, T>(
  pattern: Pattern,
  declaration: Omit<Channel<Pattern, T>, 'pattern'>,
): Channel<Pattern, T> {
  return { pattern, ...declaration };
}

const PARAMETER = /<([^>]+)>/g;

/** The subject of a channel. A parameter that is not given is a wildcard. */
export function subjectOf(root: string, pattern: string, params: Readonly<Record<string, string>> = {}): string {
  return `${root}.${pattern.replace(PARAMETER, (_, name: string) => params[name] ?? '*')}`;
}

/** A message on a subject, with what its sender wants to have its answer on; empty where it wants none. */
export interface Question<T> {
  readonly message: T;
  readonly reply: string;
}

/** An actor's way to the channels below one root. Messages that cannot be decoded are dropped and counted. */
export class Channels {
  readonly #root: string;
  readonly #bus: Bus;
  readonly #drops: Drops;

  constructor(root: string, { bus, drops }: { readonly bus: Bus; readonly drops: Drops }) {
    this.#root = root;
    this.#bus = bus;
    this.#drops = drops;
  }

  /** False when the message was dropped because there is no connection. */
  send<Pattern extends string, T>(to: Channel<Pattern, T>, message: T, ...[params]: ParamsArgument<Pattern>): boolean {
    return this.publish(to.pattern, to.codec.encode(message), params);
  }

  /** As `send`, of what a channel's codec has encoded already. */
  publish(pattern: string, data: Uint8Array, params: Readonly<Record<string, string>> | undefined): boolean {
    return this.#bus.publish(subjectOf(this.#root, pattern, params), data);
  }

  /** Messages of a channel, of all its subjects or of those with the given parameters. */
  receive$<Pattern extends string, T extends object>(
    from: Channel<Pattern, T>,
    params: Partial<ParamsOf<Pattern>> = {},
  ): Observable<T> {
    return this.#messages$(from, params as Readonly<Record<string, string>>).pipe(
      decoded((data) => from.codec.decode(data), this.#drops),
    );
  }

  /** Messages with the subjects to answer them on. */
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
