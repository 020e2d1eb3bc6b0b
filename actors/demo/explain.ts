import Table from 'cli-table3';
import pc from 'picocolors';
import { batchMs } from '../../plans/batch-cost.ts';
import { type Deployment, deviceClass } from '../../plans/deployment.ts';
import { describeCascade, type GearPlan } from '../../plans/gear-plan.ts';
import { accuracyOf, type Profile } from '../../plans/profile.ts';
import type { LiveLoadResult } from '../load/live-load.ts';

/** What a newcomer needs to know to read the rest. */
export const INTRODUCTION = `${pc.bold('CascadeServe demo')}: classify pictures of clothes (Fashion-MNIST) with five models, on one CPU core.

A ${pc.bold('cascade')} asks a cheap model first. If it is certain enough, its answer stands; if not, the picture goes on to a dearer
model. Most pictures are easy, so a cascade is nearly as right as its dearest model at a fraction of the work.
A ${pc.bold('gear')} is a cascade with its thresholds, made ready for one range of load. When a crowd comes, the system shifts to a
gear with less work per picture, within a tenth of a second and without loading anything; when it leaves, it shifts back.`;

export function describeFamily(deployment: Deployment, profile: Profile): string {
  const kind = deviceClass(deployment.devices[0]);
  const table = new Table({
    head: ['model', 'right', '1 picture, ms', 'per picture in a batch, ms', 'alone at most, requests/s'],
    style: { head: [], border: [] },
  });
  for (const model of profile.models) {
    const curve = model.runtimes[kind];
    const perSample = Math.min(...curve.batch.map((batch, i) => curve.ms[i] / batch));
    const most = Math.max(...curve.batch.map((batch) => (1_000 * batch) / batchMs(curve, profile.overhead, batch)));
    table.push([
      model.name,
      `${(100 * accuracyOf(profile, model)).toFixed(1)} %`,
      curve.ms[0].toFixed(3),
      perSample.toFixed(4),
      most.toFixed(0),
    ]);
  }
  return table.toString();
}

export function describeGears(plan: GearPlan): string {
  const table = new Table({
    head: ['gear', 'requests/s', 'right', 'p95 ms', 'cascade (goes on below the certainty)'],
    style: { head: [], border: [] },
  });
  plan.gears.forEach((gear, index) => {
    const { accuracy, latencyMs } = gear.expected;
    table.push([
      index,
      `${gear.qps[0].toFixed(0)}-${gear.qps[1].toFixed(0)}`,
      `${(100 * accuracy).toFixed(2)} %`,
      latencyMs.p95.toFixed(1),
      describeCascade(gear.cascade),
    ]);
  });
  return table.toString();
}

/** The point of it all, in the figures of this run. */
export function describeSavings(run: {
  profile: Profile;
  live: LiveLoadResult;
  largestModelAloneQps: number;
  peakQps: number;
}): string {
  const { profile, live, largestModelAloneQps, peakQps } = run;
  const largest = profile.models[profile.models.length - 1];
  const byLargest = live.answersByModel[largest.name] ?? 0;
  const [calmest, busiest] = extremes(live);
  const times = peakQps / largestModelAloneQps;
  const missed = 100 * (accuracyOf(profile, largest) - (live.report.accuracy ?? 0));
  return [
    '',
    pc.bold('What the gears saved'),
    `The crowd peaked at ${peakQps.toFixed(0)} requests/s. ${largest.name} alone, the most accurate model, can answer at most ${largestModelAloneQps.toFixed(0)} a second`,
    `here: it would have needed ${times.toFixed(1)} times this core at the peak, idle most of the time, or the queue would have grown`,
    `second by second. The gear plan served all of it on the one core, ${missed.toFixed(2)} points less right than ${largest.name} alone`,
    `over the whole run: ${percentOf(byLargest, live.report.completed)} of the pictures needed ${largest.name}; the cheaper models were certain of the rest.`,
    `Gears in use: ${live.answersByGear.size}, from gear ${calmest} in the calm to gear ${busiest} in the crowd; ${live.report.gearSwitches ?? 'some'} changes, no model loaded for any.`,
  ].join('\n');
}

function extremes(live: LiveLoadResult): [number, number] {
  const gears = [...live.answersByGear.keys()];
  return [Math.min(...gears), Math.max(...gears)];
}

function percentOf(part: number, whole: number): string {
  return `${((100 * part) / Math.max(1, whole)).toFixed(1)} %`;
}
