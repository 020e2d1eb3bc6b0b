import { distinctUntilChanged, EMPTY, map, merge, Observable, Subject, startWith, switchMap } from 'rxjs';
import { every } from '../clock.ts';
import { assertNever } from '../errors.ts';
import type { Actor, ActorContext } from './actor.ts';
import { type Channel, Channels, type ParamsOf, type Question } from './channel.ts';
import type { Effect } from './effect.ts';
import { MAILBOX_SIZE, Mailbox } from './mailbox.ts';

/** An event for a core, as the call that delivers it. */
type CoreEvent<Core, Task = never> = (core: Core, now: number) => readonly Effect<Task>[];

/** What a reaction gets while the actor runs. */
interface ReactionContext<Core, Task> {
  readonly context: ActorContext;
  readonly channels: Channels;
  readonly core: Core;
  /** Emits after each event that the core has handled. */
  readonly handled$: Observable<unknown>;
  /** For messages from others: dropped when the mailbox is full. */
  offer(event: CoreEvent<Core, Task>): void;
  /** For sources that limit their own rate, such as timers: never dropped. */
  put(event: CoreEvent<Core, Task>): void;
}

/** One thing that an actor reacts to; see `on`, `asked`, `each`, `from` and `onlyWhile`. What it emits is ignored. */
export type Reaction<Core, Task = never> = (context: ReactionContext<Core, Task>) => Observable<unknown>;

/** Reacts to the messages of a channel; `params` narrows it to some of its subjects. */
export function on<Core, Pattern extends string, T extends object, Task = never>(
  channel: Channel<Pattern, T>,
  react: (core: Core, message: T, now: number) => readonly Effect<Task>[],
  params: Partial<ParamsOf<Pattern>> = {},
): Reaction<Core, Task> {
  return ({ channels, offer }) =>
    channels.receive$(channel, params).pipe(map((message) => offer((core, now) => react(core, message, now))));
}

/** Reacts to messages whose senders expect an answer: see `answer`. */
export function asked<Core, T, Task = never>(
  channel: Channel<string, T>,
  react: (core: Core, question: Question<T>, now: number) => readonly Effect<Task>[],
): Reaction<Core, Task> {
  return ({ channels, offer }) =>
    channels.questions$(channel).pipe(map((question) => offer((core, now) => react(core, question, now))));
}

/** Reacts to a periodic timer. */
export function each<Core, Task = never>(
  periodMs: number,
  react: (core: Core, now: number) => readonly Effect<Task>[],
): Reaction<Core, Task> {
  return ({ context, put }) => every(context.clock, periodMs).pipe(map(() => put(react)));
}

/** Reacts to any other source, such as the actor's process or an asynchronous task. */
export function from<Core, T, Task = never>(
  source: (core: Core, context: ActorContext) => Observable<T>,
  react: (core: Core, value: T, now: number) => readonly Effect<Task>[],
): Reaction<Core, Task> {
  return ({ core, context, put }) => source(core, context).pipe(map((value) => put((_, now) => react(core, value, now))));
}

/** Reactions that are active only while a condition holds. Otherwise the actor does not even subscribe, so others can answer. */
export function onlyWhile<Core, Task = never>(
  condition: (core: Core) => boolean,
  ...reactions: readonly Reaction<Core, Task>[]
): Reaction<Core, Task> {
  return (reactionContext) =>
    reactionContext.handled$.pipe(
      startWith(undefined),
      map(() => condition(reactionContext.core)),
      distinctUntilChanged(),
      switchMap((holds) => (holds ? merge(...reactions.map((reaction) => reaction(reactionContext))) : EMPTY)),
    );
}

export interface ActorDefinition<Core, Task = never, Outcome = never> {
  readonly name: string;
  readonly description: string;
  /** Root of the subjects of its channels. */
  readonly root: string;
  /**
   * Creates the initial state with the rules that change it: plain code that gets the time as an argument. After the actor died,
   * `before` is its previous core, for the little that must outlive it.
   */
  readonly core: (now: number, context: ActorContext, before: Core | undefined) => Core;
  readonly reactions: readonly Reaction<Core, Task>[];
  /**
   * Called at each start; returns the function that runs the tasks of the effect `perform`. It may return undefined for a task that
   * has no outcome. What a task emits goes to `onOutcome`. A task emits its failures too, since an error restarts the actor. Tasks
   * run concurrently; the core limits how many.
   */
  readonly tasks?: (context: ActorContext, core: Core) => (task: Task) => Observable<Outcome> | undefined;
  readonly onOutcome?: (core: Core, outcome: Outcome, now: number) => readonly Effect<Task>[];
  /** Called when the actor is told to stop. */
  readonly onStop?: (core: Core, now: number) => readonly Effect<Task>[];
  /** Whether the actor may end after it was told to stop. Default: at once. */
  readonly isDrained?: (core: Core) => boolean;
  /**
   * For actors on the request path: messages are handled as they arrive, without a mailbox, and the core bounds its own queues and
   * sends an error for anything that does not fit. Default: false.
   */
  readonly hot?: boolean;
  /** Most messages that may wait. Default: MAILBOX_SIZE. */
  readonly mailboxSize?: number;
}

/**
 * Makes an actor from its definition. The core gets one message at a time, and the effects that it returns are carried out in
 * order. Messages that cannot be decoded, or do not fit into the mailbox, are dropped and counted. A core that throws is replaced by
 * a new one.
 */
export function defineActor<Core, Task = never, Outcome = never>(definition: ActorDefinition<Core, Task, Outcome>): Actor {
  const { name, description, root, reactions, isDrained = () => true } = definition;
  let before: Core | undefined;
  return {
    name,
    description,
    behaviour: (context) =>
      new Observable<never>((subscriber) => {
        const { clock, drops, stopping$ } = context;
        const channels = new Channels(root, context);
        const core = definition.core(clock.now(), context, before);
        before = core;
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
        const handle = (event: CoreEvent<Core, Task>): void => {
          if (subscriber.closed) return;
          try {
            for (const effect of event(core, clock.now())) carryOut(effect);
          } catch (error) {
            subscriber.error(error);
            return;
          }
          handled$.next();
          if (stopping && isDrained(core)) subscriber.complete();
        };
        const mailbox = new Mailbox(handle, { clock, drops, size: definition.mailboxSize ?? MAILBOX_SIZE });
        const put = definition.hot === true ? handle : (event: CoreEvent<Core, Task>) => mailbox.put(event);
        const offer = definition.hot === true ? handle : (event: CoreEvent<Core, Task>) => mailbox.offer(event);
        const run = (outcomes$: Observable<Outcome>): void =>
          subscriber.add(
            outcomes$.subscribe({
              next: (outcome) => put((_, now) => definition.onOutcome!(core, outcome, now)),
              error: (error) => subscriber.error(error),
            }),
          );

        subscriber.add(() => mailbox.close());
        const reactionContext = { context, channels, core, handled$, offer, put };
        subscriber.add(
          merge(...reactions.map((reaction) => reaction(reactionContext))).subscribe({
            error: (error) => subscriber.error(error),
          }),
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
  throw new Error('the core returned a task, but the actor defines no `tasks`');
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
