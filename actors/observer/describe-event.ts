import type { EventMessage } from '../../plans/protocol/events.ts';
import { describeBasis } from '../commands/describe-decision.ts';

/** Longest text of an event that is shown. */
const MAX_LENGTH = 400;

/** An event for people, in a line. What it holds besides its type is not trusted. */
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
  return (
    typeof fields.text === 'string' ? `${event.type}: ${fields.text}` : `${[event.type, ...parts].join(' ')}${reason}`
  ).slice(0, MAX_LENGTH);
}
