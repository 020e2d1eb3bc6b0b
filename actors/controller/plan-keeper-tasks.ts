import { catchError, defer, type Observable, of } from 'rxjs';
import type { ActorContext } from '../../engine/actor/actor.ts';
import { Channels } from '../../engine/actor/channel.ts';
import { assertNever, messageOf } from '../../engine/errors.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { PREPARE } from '../../plans/protocol/channels.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';
import { PlanHistory, type Revision } from './plan-history.ts';
import { storedPlan } from './stored-plan.ts';

/** What the plan-keeper has done outside of its core. `change` numbers the plan change that it is for. */
export type PlanTask =
  /** Finds out which plan is in force; where the history has none, that is `inForce`. */
  | { readonly type: 'take-over'; readonly term: number; readonly inForce: Revision; readonly wasLost: boolean }
  /** Stores the plan in force in a history that the server has lost. */
  | { readonly type: 'restore'; readonly inForce: Revision; readonly noteWanted: boolean }
  /** Finds a number for the plan that comes next. */
  | { readonly type: 'number'; readonly change: number; readonly above: number }
  /** Makes a plan that all are ready for the one in force by the history. */
  | { readonly type: 'adopt'; readonly change: number; readonly next: Revision }
  /** Reads a plan from before. */
  | { readonly type: 'read'; readonly change: number; readonly revision: number }
  /** Reads the plan in force. */
  | { readonly type: 'read-current' }
  /** Tells a plan, on behalf of a change or of those who have missed it. It fails where the plan is too large for a message. */
  | { readonly type: 'announce'; readonly change?: number; readonly plan: Revision };

export type PlanOutcome =
  | { readonly type: 'took-over'; readonly term: number; readonly stored: Revision | undefined; readonly knowsWanted: boolean }
  | { readonly type: 'restored' }
  | { readonly type: 'numbered'; readonly change: number; readonly revision: number }
  | { readonly type: 'adopted'; readonly change: number; readonly next: Revision }
  | { readonly type: 'read'; readonly change: number; readonly revision: number; readonly plan: GearPlan | undefined }
  | { readonly type: 'current'; readonly stored: Revision | undefined }
  | { readonly type: 'announced'; readonly change?: number }
  | { readonly type: 'failed'; readonly task: PlanTask; readonly reason: string };

export interface PlanTaskOptions {
  readonly subjects: Subjects;
  /** Bucket of the plans. */
  readonly bucket: string;
  /** The plan of the file, an operator's wish: put in force if it never was. */
  readonly wanted: GearPlan;
  /** What is wrong with a plan for this deployment; empty for one that can be served. */
  readonly check: (plan: GearPlan) => readonly string[];
}

/** Carries out the plan-keeper's tasks with the history of plans. */
export function planTasks(options: PlanTaskOptions, context: ActorContext): (task: PlanTask) => Observable<PlanOutcome> {
  const { bus, clock, log } = context;
  const { bucket, check, wanted, subjects } = options;
  const channels = new Channels(subjects.root, context);
  // What is in memory only must not be forgotten when the lease comes back.
  let opened: PlanHistory | undefined;

  async function open(): Promise<PlanHistory> {
    opened ??= await PlanHistory.open(bus, clock, bucket, { watched: true });
    return opened;
  }

  async function takeOver(task: Extract<PlanTask, { type: 'take-over' }>): Promise<PlanOutcome> {
    try {
      const history = await open();
      const stored = await storedPlan(history, check, (reason) => log.warn({ reason }, 'the stored plan cannot be served'));
      if (stored === undefined) await store(history, task.inForce, task.wasLost);
      return { type: 'took-over', term: task.term, stored, knowsWanted: await history.knows(wanted) };
    } catch (error) {
      // The server may have come back without its store.
      opened = undefined;
      throw error;
    }
  }

  /** Fills a history that has nothing to serve: it is new, or it was lost, and must not bring back the plan of the file. */
  async function store(history: PlanHistory, inForce: Revision, noteWanted: boolean): Promise<void> {
    await history.keep(inForce);
    await history.adopt(inForce);
    if (noteWanted) await history.note({ revision: inForce.revision, plan: wanted });
  }

  async function carryOut(task: Exclude<PlanTask, { type: 'announce' }>): Promise<PlanOutcome> {
    if (task.type === 'take-over') return takeOver(task);
    const history = await open();
    switch (task.type) {
      case 'restore':
        await store(history, task.inForce, task.noteWanted);
        return { type: 'restored' };
      case 'number':
        return { type: 'numbered', change: task.change, revision: await history.nextRevision(task.above) };
      case 'adopt':
        await history.keep(task.next);
        await history.adopt(task.next);
        return { type: 'adopted', change: task.change, next: task.next };
      case 'read': {
        const { change, revision } = task;
        return { type: 'read', change, revision, plan: (await history.get(revision))?.plan };
      }
      case 'read-current':
        return { type: 'current', stored: await history.current() };
      default:
        return assertNever(task);
    }
  }

  return (task) =>
    defer(() => {
      if (task.type !== 'announce') return carryOut(task);
      channels.send(PREPARE, task.plan);
      return of<PlanOutcome>({ type: 'announced', change: task.change });
    }).pipe(catchError((error) => of<PlanOutcome>({ type: 'failed', task, reason: messageOf(error) })));
}
