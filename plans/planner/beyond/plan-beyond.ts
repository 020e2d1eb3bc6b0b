import type { DraftRange, Tuning } from '../cycle/draft-plan.ts';
import type { PlanningContext } from '../cycle/planning-context.ts';
import { type Carrier, carriers } from '../sp3/carriers.ts';
import type { TuningJob } from '../sp4/tuning-job.ts';
import { beyondSteps, firstCarriers, joinSteps } from './beyond-ranges.ts';

/**
 * Plans ranges above the last promised one, on the given placement: each with the most accurate cascade that carries its top load
 * within the margin on utilisation, down to the cheapest. They promise no SLO; a crowd then costs accuracy, not answers.
 */
export async function planBeyond(last: DraftRange, placed: Uint8Array, context: PlanningContext): Promise<DraftRange[]> {
  const found = carriers(last, placed, context);
  const carriedQps = found.map(({ qps }) => qps);
  let ends = beyondSteps(last.toQps, carriedQps);
  let chosen = firstCarriers(ends, carriedQps);
  const known = new Map<string, Tuning | undefined>();
  for (;;) {
    const ranges = joinSteps(last.toQps, ends, chosen).map(({ fromQps, toQps, carrier }) =>
      rangeOf(fromQps, toQps, found[carrier], placed, context),
    );
    await simulate(ranges, known, context);
    const piledUp = ranges.filter((range) => known.get(keyOf(range)) === undefined).map(({ toQps }) => toQps);
    if (piledUp.length === 0) return ranges.map((range) => ({ ...range, tuning: known.get(keyOf(range)) }));
    // The linear program allows it but the simulation does not carry it: take the next cheaper one, or stop.
    chosen = steppedDown(ends, chosen, piledUp);
    const carried = chosen.findIndex((carrier) => carrier >= found.length);
    if (carried !== -1) [ends, chosen] = [ends.slice(0, carried), chosen.slice(0, carried)];
  }
}

function steppedDown(ends: readonly number[], chosen: readonly number[], failed: readonly number[]): number[] {
  let least = 0;
  return ends.map((end, i) => {
    least = Math.max(least, failed.includes(end) ? chosen[i] + 1 : chosen[i]);
    return least;
  });
}

function rangeOf(fromQps: number, toQps: number, { cascade }: Carrier, placed: Uint8Array, context: PlanningContext): DraftRange {
  const balance = context.balancer.balance(cascade, placed);
  return {
    fromQps,
    toQps,
    weight: 0,
    cascade,
    leastFailedWorkMs: Number.POSITIVE_INFINITY,
    stepsDown: 0,
    balance,
    tuning: undefined,
  };
}

async function simulate(
  ranges: readonly DraftRange[],
  known: Map<string, Tuning | undefined>,
  context: PlanningContext,
): Promise<void> {
  const open = ranges.filter((range) => !known.has(keyOf(range)));
  const jobs = open.map(({ fromQps, toQps, cascade, balance }): TuningJob => {
    if (cascade === undefined || balance === undefined) throw new Error('a range got a cascade with a model that has no replica');
    return { type: 'carry', fromQps, toQps, cascade, shares: balance.shares };
  });
  const answers = await context.tuner.answer(jobs);
  answers.forEach(({ tuning, simulations }, i) => {
    context.simulations += simulations;
    known.set(keyOf(open[i]), tuning);
  });
}

function keyOf({ fromQps, toQps, cascade }: DraftRange): string {
  return `${fromQps} ${toQps} ${cascade?.key}`;
}
