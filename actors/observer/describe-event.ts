import { printable } from '../../engine/printable.ts';
import type { EventMessage } from '../../plans/protocol/events.ts';
import { describeBasis } from '../commands/describe-decision.ts';

/** Longest event text to show. */
const MAX_LENGTH = 400;

/** An event as one line for people. Its content, except its type, is untrusted. */
export function describeEvent(event: EventMessage): string {
  if (event.type === 'gear') {
    const { from, to, basis } = event;
    const what =
      from !== to ? `gear ${from} to ${to}` : basis.rule === 'held' ? `gear ${to} is held` : `gear ${to} is no longer held`;
    return `${what}, ${describeBasis(basis)}`;
  }
  const fields = event as Readonly<Record<string, unknown>>;
  const parts = ['state', 'device', 'model', 'revision', 'what', 'name']
    .map((key) => fields[key])
    .filter((value) => typeof value === 'string' || typeof value === 'number');
  const reason = typeof fields.reason === 'string' ? `: ${fields.reason}` : '';
  const said = typeof fields.text === 'string' ? `${event.type}: ${fields.text}` : `${[event.type, ...parts].join(' ')}${reason}`;
  return printable(said.slice(0, MAX_LENGTH));
}
