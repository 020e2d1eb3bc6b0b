import type { Effect } from '../../engine/actor/effect.ts';
import type { LoadReport } from '../../plans/protocol/control-messages.ts';

/** The messages sent on a channel. */
export function sentOn({ pattern }: { readonly pattern: string }, effects: readonly Effect<unknown>[]): unknown[] {
  return effects
    .filter((effect) => effect.type === 'send' && effect.pattern === pattern)
    .map((effect) => 'message' in effect && effect.message);
}

/** The tasks to perform. */
export function performed<Task>(effects: readonly Effect<Task>[]): Task[] {
  return effects.flatMap((effect) => (effect.type === 'perform' ? [effect.task] : []));
}

export function loadReport(fields: Partial<LoadReport> = {}): LoadReport {
  return { frontend: 'f', pid: 1, intervalMs: 1_000, arrivals: 0, ...fields };
}

/** The answers to questions. */
export function answers(effects: readonly Effect<unknown>[]): { readonly to: string; readonly message: unknown }[] {
  return effects.flatMap((effect) => (effect.type === 'answer' ? [{ to: effect.to, message: effect.message }] : []));
}
