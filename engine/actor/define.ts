import { distinctUntilChanged, EMPTY, map, merge, Observable, Subject, startWith, switchMap } from 'rxjs';
import { every } from '../clock.ts';
import { assertNever } from '../errors.ts';
import type { Actor, ActorContext } from './actor.ts';
import { type Channel, Channels, type ParamsOf, type Question } from './channel.ts';
import type { Effect } from './effect.ts';
import { MAILBOX_SIZE, Mailbox } from './mailbox.ts';

/** What has come for a core: the call that tells it. */
type Letter<Core, Task = never> = (core: Core, now: number) => readonly Effect<Task>[];

/** Where an actor's letters come from while it runs. */
interface Post<Core, Task> {
  readonly context: ActorContext;
  readonly channels: Channels;
  readonly core: Core;
  /** Emits after each letter that the core has handled. */
  readonly handled$: Observable<unknown>;
  /** For messages of others: dropped when the mailbox is full. */
  offer(letter: Letter<Core, Task>): void;
  /** For what comes by itself only so often: never dropped. */
  put(letter: Letter<Core, Task>): void;
}

/** One thing that an actor reacts to; see `on`, `asked`, `each`, `from` and `onlyWhile`. Emits nothing. */
export type Reaction<Core, Task = never> = (post: Post<Core, Task>) => Observable<unknown>;

/** A message on a channel; `params` narrows it to some of its subjects. */
export function on<Core, Pattern extends string, T extends object, Task = never>(
  channel: Channel<Pattern, T>,
  react: (core: Core, message: T, now: number) => readonly Effect<Task>[],
  params: Partial<ParamsOf<Pattern>> = {},
): Reaction<Core, Task> {
  return ({ channels, offer }) =>
    channels.receive$(channel, params).pipe(map((message) => offer((core, now) => react(core, message, now))));
}

/** A message on a channel, with the subject on which its sender wants the answer: see `answer`. */
export function asked<Core, T, Task = never>(
  channel: Channel<string, T>,
  react: (core: Core, question: Question<T>, now: number) => readonly Effect<Task>[],
): Reaction<Core, Task> {
  return ({ channels, offer }) =>
    channels.questions$(channel).pipe(map((question) => offer((core, now) => react(core, question, now))));
}

/** A timer. */
export function each<Core, Task = never>(
  periodMs: number,
  react: (core: Core, now: number) => readonly Effect<Task>[],
): Reaction<Core, Task> {
  return ({ context, put }) => every(context.clock, periodMs).pipe(map(() => put(react)));
}

/** Whatever else the actor is told, by its process or by a source that takes time. */
export function from<Core, T, Task = never>(
  source: (core: Core, context: ActorContext) => Observable<T>,
  react: (core: Core, value: T, now: number) => readonly Effect<Task>[],
): Reaction<Core, Task> {
  return ({ core, context, put }) => source(core, context).pipe(map((value) => put((_, now) => react(core, value, now))));
}

/** Reactions to what the actor takes in one state only; else it does not even subscribe, so that others may answer. */
export function onlyWhile<Core, Task = never>(
  condition: (core: Core) => boolean,
  ...reactions: readonly Reaction<Core, Task>[]
): Reaction<Core, Task> {
  return (post) =>
    post.handled$.pipe(
      startWith(undefined),
      map(() => condition(post.core)),
      distinctUntilChanged(),
      switchMap((holds) => (holds ? merge(...reactions.map((reaction) => reaction(post))) : EMPTY)),
    );
}

export interface ActorDefinition<Core, Task = never, Outcome = never> {
  readonly name: string;
  readonly description: string;
  /** Of the subjects of its channels. */
  readonly root: string;
  /** State of a fresh start, and the rules that change it: plain code, which gets the time as an argument. */
  readonly core: (now: number, context: ActorContext) => Core;
  readonly reactions: readonly Reaction<Core, Task>[];
  /**
   * Called at each start: how to do what takes time (see the effect `perform`), or only this actor does: then nothing is returned.
   * What a task emits goes to `onOutcome`; one that fails emits that, as an error restarts the actor. Tasks run side by side: how
   * many is up to the core.
   */
  readonly tasks?: (context: ActorContext, core: Core) => (task: Task) => Observable<Outcome> | undefined;
  readonly onOutcome?: (core: Core, outcome: Outcome, now: number) => readonly Effect<Task>[];
  /** The last letter: the actor has been told to stop. */
  readonly onStop?: (core: Core, now: number) => readonly Effect<Task>[];
  /** Whether the actor may end once it has been told to stop. Default: at once. */
  readonly isDrained?: (core: Core) => boolean;
  /**
   * On the way of requests: messages are handled the moment they come, without a mailbox, and the core bounds its own queues and
   * answers for what does not fit. Default: false.
   */
  readonly hot?: boolean;
  /** Messages that may wait. Default: MAILBOX_SIZE. */
  readonly mailboxSize?: number;
}

/**
 * An actor from its definition: the core gets one message at a time, and the effects that it returns are carried out in order.
 * Messages that cannot be decoded, and those that do not fit into the mailbox, are dropped and counted. A core that throws is
 * started afresh.
 */
export function defineActor<Core, Task = never, Outcome = never>(definition: ActorDefinition<Core, Task, Outcome>): Actor {
  const { name, description, root, reactions, isDrained = () => true } = definition;
  return {
    name,
    description,
    behaviour: (context) =>
      new Observable<never>((subscriber) => {
        const { clock, drops, stopping$ } = context;
        const channels = new Channels(root, context);
        const core = definition.core(clock.now(), context);
        const perform = definition.tasks?.(context, core) ?? noTasks;
        const handled$ = new Subject<void>();
        let stopping = false;

        const carryOut = (effect: Effect<Task>): void => {
          if (effect.type !== 'perform') {
            act(effect, context, channels);
            return;
          }
          const outcomes$ = perform(effect.task);
          if (outcomes$ !== undefined) run(outcomes$);
        };
        const handle = (letter: Letter<Core, Task>): void => {
          if (subscriber.closed) return;
          try {
            for (const effect of letter(core, clock.now())) carryOut(effect);
          } catch (error) {
            subscriber.error(error);
            return;
          }
          handled$.next();
          if (stopping && isDrained(core)) subscriber.complete();
        };
        const mailbox = new Mailbox(handle, { clock, drops, size: definition.mailboxSize ?? MAILBOX_SIZE });
        const put = definition.hot === true ? handle : (letter: Letter<Core, Task>) => mailbox.put(letter);
        const offer = definition.hot === true ? handle : (letter: Letter<Core, Task>) => mailbox.offer(letter);
        const run = (outcomes$: Observable<Outcome>): void =>
          subscriber.add(
            outcomes$.subscribe({
              next: (outcome) => put((_, now) => definition.onOutcome!(core, outcome, now)),
              error: (error) => subscriber.error(error),
            }),
          );

        subscriber.add(() => mailbox.close());
        const post = { context, channels, core, handled$, offer, put };
        subscriber.add(
          merge(...reactions.map((reaction) => reaction(post))).subscribe({ error: (error) => subscriber.error(error) }),
        );
        subscriber.add(
          stopping$.subscribe(() => {
            stopping = true;
            put((_, now) => definition.onStop?.(core, now) ?? []);
          }),
        );
      }),
  };
}

function noTasks(): never {
  throw new Error('an actor without tasks performs one');
}

function act(effect: Exclude<Effect, { type: 'perform' }>, { bus, log, drops }: ActorContext, channels: Channels): void {
  switch (effect.type) {
    case 'send':
      channels.publish(effect.pattern, effect.encode(), effect.params);
      return;
    case 'answer':
      bus.publish(effect.to, effect.encode());
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
