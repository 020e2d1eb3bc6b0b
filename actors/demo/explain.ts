import Table from 'cli-table3';
import pc from 'picocolors';
import { type Deployment, deviceClass } from '../../plans/domain/deployment/deployment.ts';
import { allGears, describeCascade, type GearPlan, sameCascade } from '../../plans/domain/gear-plan/gear-plan.ts';
import { batchMs } from '../../plans/domain/profile/batch-cost.ts';
import { accuracyOf, type Profile } from '../../plans/domain/profile/profile.ts';
import { wilson } from '../../plans/drift/interval.ts';
import { accuracyWithInterval, interval } from '../../plans/explain/format.ts';
import type { AccuracyEstimate } from '../../plans/planner/sp1/accuracy-estimate.ts';
import { BEST_EFFORT_NOTE, NO_RULES } from '../../plans/report/plan-table.ts';
import { percent } from '../../plans/report/report-table.ts';
import type { LiveLoadResult } from '../load/live-load.ts';

/** The terms a newcomer needs to understand the rest. */
const WORDS = (noun: string): string => `
A ${pc.bold('cascade')} asks a small model first. If it is certain enough, its answer is final; if not, the ${noun} moves on to a larger
model. Most ${noun}s are easy, so a cascade is nearly as accurate as its largest model at a fraction of the work.
A ${pc.bold('gear')} is a cascade with its thresholds, configured for one range of load. When a crowd arrives, the system shifts to a
gear with less work per ${noun}, within a tenth of a second and without loading anything; when it leaves, it shifts back.`;

export const PICTURES_INTRODUCTION = `${pc.bold('CascadeServe demo')}: classify pictures of clothes (Fashion-MNIST) with five models, on one CPU core.
${WORDS('picture')}`;

export const TEXT_INTRODUCTION = `${pc.bold('CascadeServe demo')}: tell which of sixteen languages a word or phrase is in, with four transformers, on one CPU core.
${WORDS('text')}`;

export function emulatedIntroduction(name: string, devices: number): string {
  return `${pc.bold('CascadeServe demo, emulated')}: the synthetic family ${name} on ${devices} emulated devices.
The serving plane is real: requests, queues, batches and gear changes, over NATS. The devices are ${pc.bold('emulated')}: each waits as long as a
batch would take and answers what was made up for the request. No figure here is a measurement of a model.
${WORDS('request')}`;
}

export function describeFamily(deployment: Deployment, profile: Profile, noun: string): string {
  const kind = deviceClass(deployment.devices[0]);
  const table = new Table({
    head: ['model', 'right', `1 ${noun}, ms`, `per ${noun} in a batch, ms`, 'maximum alone, requests/s'],
    style: { head: [], border: [] },
    chars: NO_RULES,
  });
  for (const model of profile.models) {
    const curve = model.runtimes[kind];
    const perSample = Math.min(...curve.batch.map((batch, i) => curve.ms[i] / batch));
    const most = Math.max(...curve.batch.map((batch) => (1_000 * batch) / batchMs(curve, profile.overhead, batch)));
    table.push([
      model.name,
      `${(100 * accuracyOf(model)).toFixed(1)} %`,
      curve.ms[0].toFixed(3),
      perSample.toFixed(4),
      most.toFixed(0),
    ]);
  }
  return table.toString();
}

/** The gears; neighbours with the same cascade share a line, and those beyond the promise are separate. */
export function describeGears(plan: GearPlan): string {
  const table = new Table({
    head: ['gear', 'requests/s', 'right (95 % interval)', 'p95 ms', 'cascade (moves on below this certainty)'],
    style: { head: [], border: [] },
    chars: NO_RULES,
  });
  const gears = allGears(plan);
  const promised = plan.gears.length;
  for (let first = 0, next = 0; first < gears.length; first = next) {
    const { cascade } = gears[first];
    next = first + 1;
    while (next < gears.length && next !== promised && sameCascade(gears[next].cascade, cascade)) next++;
    const alike = gears.slice(first, next);
    table.push([
      `${next - first === 1 ? first : `${first}-${next - 1}`}${first < promised ? '' : ' *'}`,
      `${alike[0].qps[0].toFixed(0)}-${alike[alike.length - 1].qps[1].toFixed(0)}`,
      accuracyWithInterval(alike[0].expected),
      Math.max(...alike.map((gear) => gear.expected.latencyMs.p95)).toFixed(1),
      describeCascade(cascade),
    ]);
  }
  return promised === gears.length ? table.toString() : `${table.toString()}\n${BEST_EFFORT_NOTE}`;
}

/**
 * Promised and measured accuracy.
 * @param samples different ones among the answers: the same sample again says nothing new.
 */
export function describeAccuracy({ accuracy, interval: known }: AccuracyEstimate, measured: number, samples: number): string {
  const [low, high] = known;
  const error = wilson(measured * samples, samples);
  const overlap =
    low <= error.high && error.low <= high ? 'though the two intervals overlap' : 'and the two intervals do not overlap';
  const verdict = low <= measured && measured <= high ? 'within it' : `outside it, ${overlap}`;
  return (
    `Accuracy expected by the plan for the gears used: ${percent(accuracy)}, 95 % interval ${interval(known)}; ` +
    `measured: ${percent(measured)} (${interval([error.low, error.high])} for ${samples} different samples), ${verdict}.`
  );
}

/** What the gears are good for, in figures of this run. */
export function describeSavings(run: {
  profile: Profile;
  live: LiveLoadResult;
  largestModelAloneQps: number;
  peakQps: number;
  noun: string;
  devices: number;
}): string {
  const { profile, live, largestModelAloneQps, peakQps, noun, devices } = run;
  const largest = profile.models[profile.models.length - 1];
  const byLargest = live.answersByModel[largest.name] ?? 0;
  const [calmest, busiest] = extremes(live);
  const accuracy = live.report.accuracy ?? 0;
  const missed = accuracyOf(largest) - accuracy;
  const { low, high } = wilson(accuracy * live.samplesAnswered, live.samplesAnswered);
  const error = (high - low) / 2;
  return [
    '',
    pc.bold('What the gears saved'),
    `The crowd peaked at ${peakQps.toFixed(0)} requests/s; ${largest.name}, the most accurate model, can answer at most ${largestModelAloneQps.toFixed(0)} a second here.`,
    peakQps > largestModelAloneQps
      ? `On its own, it would have needed ${Math.ceil((devices * peakQps) / largestModelAloneQps)} such devices at the peak instead of ${devices}, idle most of the time, or its queue would have grown by the second.`
      : `These devices could have carried the crowd with it alone, but with nothing to spare.`,
    `The gear plan served the same load on these devices, with only ${percent(byLargest / Math.max(1, live.report.completed))} of the ${noun}s reaching ${largest.name}: the`,
    `smaller models were certain of the rest. Over the whole run, accuracy was ${(100 * Math.abs(missed)).toFixed(2)} points ${missed > 0 ? 'lower' : 'higher'} than that of ${largest.name} on the validation half, plus or minus ${(100 * error).toFixed(2)} for ${live.samplesAnswered} different samples.`,
    `Gears in use: ${live.answersByGear.size}, from gear ${calmest} to gear ${busiest}; ${live.report.gearSwitches ?? 'some'} changes, none of which loaded a model.`,
  ].join('\n');
}

function extremes(live: LiveLoadResult): [number, number] {
  const gears = [...live.answersByGear.keys()];
  return [Math.min(...gears), Math.max(...gears)];
}
