import { milliseconds, percent, plain } from '../../explain/format.ts';
import { element, escapeText, type Markup } from '../../explain/svg.ts';
import type { BenchResults } from '../bench-results.ts';
import { costChart } from './cost-chart.ts';
import { LOOKS } from './look.ts';
import { heading, number, paragraph, table } from './markup.ts';
import { spikeCharts } from './spike-chart.ts';
import { settingsText } from './tables.ts';

/** Results of earlier benches, each with its date; benches without results are left out. */
export function benchPart({ plannerQuality, fidelity, strategies, scaling }: BenchResults, width: number): Markup[] {
  return [
    ...(strategies === null ? [] : livePart(strategies, width)),
    ...(scaling === null ? [] : costPart(scaling, width)),
    ...(plannerQuality === null
      ? []
      : [
          heading('Quality of plans (Fig. 10)'),
          paragraph(
            `From bench:planner of ${plannerQuality.date}: on a reduced space, beside exhaustive search and random sampling. Synthetic.`,
          ),
          table(
            ['family', 'p95', 'exhaustive', 'ours', 'random', 'seconds: exhaustive / ours'],
            plannerQuality.quality.map(({ name, p95Ms, exhaustiveAccuracy, plans, random, exhaustiveSeconds, seconds }) => [
              element('td', {}, escapeText(name)),
              number(milliseconds(p95Ms)),
              number(percent(exhaustiveAccuracy)),
              number(percent(plans[0].accuracy)),
              number(random.accuracy === null ? '-' : percent(random.accuracy)),
              number(`${exhaustiveSeconds.toFixed(1)} / ${seconds.toFixed(1)}`),
            ]),
          ),
        ]),
    ...(fidelity === null
      ? []
      : [
          heading('Simulated and live (Fig. 13)'),
          paragraph(`From bench:fidelity of ${fidelity.date}: the same plans and arrivals.`),
          table(
            ['plan', 'devices', 'p95 simulated', 'p95 live', 'error'],
            fidelity.rows.map(({ plan, synthetic, simulatedP95Ms, liveP95Ms }) => [
              number(plan),
              element('td', {}, synthetic ? 'emulated' : 'real models'),
              number(milliseconds(simulatedP95Ms)),
              number(milliseconds(liveP95Ms)),
              number(percent(simulatedP95Ms / liveP95Ms - 1, 0)),
            ]),
          ),
        ]),
  ];
}

function livePart(
  { strategies, sloMs, calmQps, crowdQps, ...of }: NonNullable<BenchResults['strategies']>,
  width: number,
): Markup[] {
  return [
    heading('A flash crowd, served live (Fig. 8, 9)'),
    paragraph(
      `From bench:strategies of ${of.date}, on ${of.cpu}${of.besideOtherWork ? ', with other work on the same cores' : ''}: conf/fashion with its real models on one CPU device. ${plain(calmQps)} requests/s, ${plain(crowdQps)} in the crowd, Poisson arrivals, on one serving plane; each strategy runs the gear plan that its search found in the simulator at ${plain(of.searchedAt.timesTheLoad)} times this load and ${plain(of.searchedAt.shareOfSlo)} times the SLO’s latency, the same room for all. Medians of the runs; the curves are of one run. A request without an answer is late.`,
    ),
    ...spikeCharts({ spike: strategies, seconds: Math.max(...strategies.map(({ seconds }) => seconds.length)), sloMs }, width),
    table(
      [
        'strategy',
        `seconds with p95 within ${plain(sloMs)} ms`,
        'p95',
        'accuracy',
        'before / in the crowd',
        'simulated at higher load',
        'refused',
        'runs',
        'settings',
      ],
      strategies.map((row) => [
        element('td', {}, LOOKS[row.strategy].label),
        number(percent(row.attainment, 1)),
        number(row.p95Ms === null ? 'no answer' : milliseconds(row.p95Ms)),
        number(percent(row.accuracy)),
        number(`${percent(row.accuracyOutside)} / ${percent(row.accuracyInCrowd)}`),
        number(`p95 ${milliseconds(row.simulated.p95Ms)}, ${percent(row.simulated.accuracy)}`),
        number(percent(row.refusedShare, 1)),
        number(`${row.runs}${row.voidRuns > 0 ? `, ${row.voidRuns} with a late generator` : ''}`),
        element('td', { class: 'small' }, escapeText(settingsText(row.settings))),
      ]),
    ),
  ];
}

const FIGURES = {
  planning: [
    { key: 'seconds', label: 'time', look: LOOKS.cascade },
    { key: 'processorSeconds', label: 'processor time', look: LOOKS['no-switching'] },
  ],
  serving: [
    { key: 'frontendsUs', label: 'frontends', look: LOOKS.cascade },
    { key: 'controllerUs', label: 'controller', look: LOOKS.dynba },
    { key: 'devicesUs', label: 'device process', look: LOOKS['no-switching'] },
  ],
} as const;

function costPart({ planning, serving, ...of }: NonNullable<BenchResults['scaling']>, width: number): Markup[] {
  const half = (width - 18) / 2;
  const axes = <T extends { readonly vary: string }>(rows: readonly T[]): [string, T[]][] =>
    [...new Set(rows.map(({ vary }) => vary))].map((vary) => [vary, rows.filter((row) => row.vary === vary)]);
  return [
    heading('Cost as work grows'),
    paragraph(
      `From bench:scaling of ${of.date}, on ${of.cpu}${of.besideOtherWork ? ', with other work on the same cores' : ''}. Models and devices are synthetic and emulated; planner, frontends, controller and messages over NATS are real.`,
    ),
    paragraph(`Time to plan: ${of.planningCase}.`),
    element(
      'div',
      { class: 'pair' },
      ...axes(planning).map(([vary, rows]) =>
        costChart({
          title: `Time to plan by number of ${vary}`,
          xLabel: vary,
          yLabel: 'seconds',
          width: half,
          series: FIGURES.planning.map(({ key, label, look }) => ({
            label,
            look,
            points: rows.map((row) => [row.value, row[key]]),
          })),
        }),
      ),
    ),
    paragraph(`Processor time per request while serving, summed over processes of a kind: ${of.servingCase}.`),
    element(
      'div',
      { class: 'pair' },
      ...axes(serving).map(([vary, rows]) =>
        costChart({
          title: `Processor time per request by number of ${vary}`,
          xLabel: vary,
          yLabel: 'µs per request',
          width: half,
          series: FIGURES.serving.map(({ key, label, look }) => ({
            label,
            look,
            points: rows.map((row) => [row.value, row[key]]),
          })),
        }),
      ),
    ),
  ];
}
