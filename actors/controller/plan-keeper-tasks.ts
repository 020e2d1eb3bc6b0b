import { catchError, concatMap, defer, map, type Observable, of, retry, take, throwError } from 'rxjs';
import type { ActorContext } from '../../engine/actor/actor.ts';
import { Channels } from '../../engine/actor/channel.ts';
import { every } from '../../engine/clock.ts';
import { assertNever, CascadeError, messageOf } from '../../engine/errors.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { PREPARE } from '../../plans/protocol/channels.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';
import { PlanHistory, type Revision } from './plan-history.ts';
import { storedPlan } from './stored-plan.ts';

/** The plan-keeper's slow work. `change` is the number of the plan change it belongs to. */
export type PlanTask =
  /** Reads which plan is in force. If the history has none, stores `inForce`. */
  | { readonly type: 'take-over'; readonly term: number; readonly inForce: Revision; readonly wasLost: boolean }
  /** Stores the plan in force again after the server lost the history. */
  | { readonly type: 'restore'; readonly inForce: Revision; readonly noteWanted: boolean }
  /** Gets a revision for the next plan. */
  | { readonly type: 'number'; readonly change: number; readonly above: number }
  /** Puts a plan in force in the history, once all devices are ready for it. */
  | { readonly type: 'adopt'; readonly change: number; readonly next: Revision }
  /** Reads an earlier plan. */
  | { readonly type: 'read'; readonly change: number; readonly revision: number }
  /** Reads the plan that was in force before a revision. */
  | { readonly type: 'read-before'; readonly change: number; readonly revision: number }
  /** Reads the plan in force; `settles` whether a plan that was not confirmed is. */
  | { readonly type: 'read-current'; readonly settles: boolean }
  /** Announces a plan, for a change or for processes that missed it. Fails when the plan is too large for a message. */
  | { readonly type: 'announce'; readonly change?: number; readonly plan: Revision };

export type PlanOutcome =
  | { readonly type: 'took-over'; readonly term: number; readonly stored: Revision | undefined; readonly knowsWanted: boolean }
  | { readonly type: 'restored' }
  | { readonly type: 'numbered'; readonly change: number; readonly revision: number }
  | { readonly type: 'adopted'; readonly change: number; readonly next: Revision }
  /** A later plan is in force. */
  | { readonly type: 'superseded'; readonly change: number; readonly next: Revision }
  /** It may be in force in the history, or not. */
  | { readonly type: 'unconfirmed'; readonly change: number; readonly next: Revision; readonly reason: string }
  | { readonly type: 'read'; readonly change: number; readonly revision: number; readonly plan: GearPlan | undefined }
  | { readonly type: 'current'; readonly stored: Revision | undefined }
  | { readonly type: 'announced'; readonly change?: number }
  | { readonly type: 'failed'; readonly task: PlanTask; readonly reason: string };

const RETRY_MS = 500;
const ADOPT_WITHIN_MS = 10_000;

export interface PlanTaskOptions {
  readonly subjects: Subjects;
  /** Bucket of the plans. */
  readonly bucket: string;
  /** The plan in the file: put in force if it has never been. */
  readonly wanted: GearPlan;
  /** Returns a plan's problems for this deployment; empty if it can be served. */
  readonly check: (plan: GearPlan) => readonly string[];
}

/** Runs the plan-keeper's tasks. */
export function planTasks(options: PlanTaskOptions): (context: ActorContext) => (task: PlanTask) => Observable<PlanOutcome> {
  // Kept open, because an in-memory history must survive restarts of the actor, and losing and regaining the lease.
  let opened: PlanHistory | undefined;
  return (context) => {
    const { bus, clock, log } = context;
    const { bucket, check, wanted, subjects } = options;
    const channels = new Channels(subjects.root, context);

    async function open(): Promise<PlanHistory> {
      opened ??= await reopen();
      return opened;
    }

    function reopen(): Promise<PlanHistory> {
      return PlanHistory.open(bus, clock, bucket, { watched: true, before: opened });
    }

    async function takeOver(task: Extract<PlanTask, { type: 'take-over' }>): Promise<PlanOutcome> {
      try {
        // Without JetStream when last opened, the server may have it now.
        if (opened?.isInMemory) opened = await reopen();
        const history = await open();
        const stored = await storedPlan(history, check, (reason) => log.warn({ reason }, 'the stored plan cannot be served'));
        if (stored !== undefined) return await tookOver(task.term, history, stored);
        // Its number may be taken by a plan that came into force since this process started.
        const current = await history.currentRevision();
        const isTaken = current !== undefined && current >= task.inForce.revision;
        const revision = isTaken ? await history.nextRevision(current) : task.inForce.revision;
        const inForce = { ...task.inForce, revision };
        await store(history, inForce, task.wasLost);
        return await tookOver(task.term, history, isTaken ? inForce : undefined);
      } catch (error) {
        // The server may come back without its store, so open it again.
        if (!opened?.isInMemory) opened = undefined;
        throw error;
      }
    }

    async function tookOver(term: number, history: PlanHistory, stored: Revision | undefined): Promise<PlanOutcome> {
      return { type: 'took-over', term, stored, knowsWanted: await history.knows(wanted) };
    }

    /** Fills an empty history. If it was lost, `noteWanted` keeps the plan of the file from coming back into force. */
    async function store(history: PlanHistory, inForce: Revision, noteWanted: boolean): Promise<void> {
      await history.keep(inForce);
      if (!(await history.adopt(inForce)))
        throw new CascadeError('UNAVAILABLE', `another controller put a plan in force after revision ${inForce.revision}`);
      if (noteWanted) await history.note({ revision: inForce.revision, plan: wanted });
    }

    async function read(history: PlanHistory, change: number, revision: number): Promise<PlanOutcome> {
      return { type: 'read', change, revision, plan: (await history.get(revision))?.plan };
    }

    async function carryOut(task: Exclude<PlanTask, { type: 'announce' | 'adopt' }>): Promise<PlanOutcome> {
      if (task.type === 'take-over') return takeOver(task);
      const history = await open();
      switch (task.type) {
        case 'restore':
          await store(history, task.inForce, task.noteWanted);
          return { type: 'restored' };
        case 'number':
          return { type: 'numbered', change: task.change, revision: await history.nextRevision(task.above) };
        case 'read':
          return read(history, task.change, task.revision);
        case 'read-before':
          return read(history, task.change, await history.revisionBefore(task.revision));
        case 'read-current':
          return { type: 'current', stored: await history.current() };
        default:
          return assertNever(task);
      }
    }

    /** If the confirmation of the last write is lost, the plan may be in force, so this continues until it knows, for some seconds. */
    function adopt$({ change, next }: Extract<PlanTask, { type: 'adopt' }>): Observable<PlanOutcome> {
      const giveUpAt = clock.now() + ADOPT_WITHIN_MS;
      const again = (error: unknown): Observable<unknown> => {
        if (clock.now() >= giveUpAt) return throwError(() => error);
        log.warn({ revision: next.revision, reason: messageOf(error) }, 'cannot tell whether the plan is stored; trying again');
        return every(clock, RETRY_MS).pipe(take(1));
      };
      return defer(async () => (await open()).keep(next)).pipe(
        concatMap(() =>
          defer(async () => (await open()).adopt(next)).pipe(
            retry({ delay: again }),
            map((inForce): PlanOutcome => ({ type: inForce ? 'adopted' : 'superseded', change, next })),
            catchError((error) => of<PlanOutcome>({ type: 'unconfirmed', change, next, reason: messageOf(error) })),
          ),
        ),
      );
    }

    return (task) =>
      defer(() => {
        if (task.type === 'adopt') return adopt$(task);
        if (task.type !== 'announce') return carryOut(task);
        channels.send(PREPARE, task.plan);
        return of<PlanOutcome>({ type: 'announced', change: task.change });
      }).pipe(catchError((error) => of<PlanOutcome>({ type: 'failed', task, reason: messageOf(error) })));
  };
}
