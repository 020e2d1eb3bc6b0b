import type { GearBasis } from '../../plans/protocol/control-messages.ts';
import type { Decision } from '../controller/status-report.ts';

const RULES: Readonly<Record<GearBasis['rule'], string>> = {
  load: 'load',
  speed: 'measured speed',
  backlog: 'backlog',
  held: 'hysteresis',
  pinned: 'an operator, who pinned it',
  settling: 'load; waiting to be sure that a lower gear suffices',
};

/** A line for people, such as `12:30:01.250  gear 3 -> 5 by load: 612 requests/s, ...`. */
export function describeDecision({ at, from, to, basis }: Decision): string {
  const time = new Date(at).toISOString().slice(11, 23);
  const what =
    from !== to ? `gear ${from} -> ${to}` : basis.rule === 'held' ? `gear ${to} is held` : `gear ${to} is no longer held`;
  return `${time}  ${what} ${describeBasis(basis)}`;
}

export function describeBasis(basis: GearBasis): string {
  const between =
    basis.lowQps === basis.highQps && basis.scale === 1
      ? ''
      : `, counted as ${Math.round(basis.lowQps)} to ${Math.round(basis.highQps)}${basis.scale === 1 ? '' : ` after scaling by ${basis.scale.toFixed(2)}`}`;
  const slow = basis.slowdown === 1 ? '' : `, devices ${basis.slowdown.toFixed(2)} times slower than profiled`;
  const waiting = `${basis.backlog} waiting (${Math.round(basis.waitMs)} ms), ${Math.round(basis.excess)} more than planned, at most ${basis.firstQueue} for the first model`;
  return `by ${RULES[basis.rule]}: ${Math.round(basis.qps)} requests/s${between}${slow}; ${waiting}`;
}
