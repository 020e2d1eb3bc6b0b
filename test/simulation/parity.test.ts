import { describe, expect, test } from 'vitest';
import { type ParityCaseOptions, parityCase } from '../support/parity-case.ts';
import { actorsRun, type ParityRun, simulatedRun } from '../support/parity-runs.ts';

/** More cases: `PARITY_CASES=1000 npx vitest run test/simulation/parity.test.ts`; one case: `PARITY_FROM=17 PARITY_CASES=1 ...`. */
const FROM = Number(process.env.PARITY_FROM ?? 0);
const CASES = Number(process.env.PARITY_CASES ?? 15);

/**
 * Fine times: only events with one cause coincide. Coarse times: most instants hold several arrivals, ends of batches, and
 * ends of waits, so that their order matters.
 */
const WITHOUT_DEADLINES: readonly ParityCaseOptions[] = [2 ** -20, 1].flatMap((unitMs) =>
  (['paper', 'default'] as const).flatMap((rule) =>
    (['spread', 'in-step'] as const).map((heartbeats) => ({ unitMs, rule, heartbeats, deadlines: false, slowdowns: false })),
  ),
);
/** In fine times only: the simulator does not preserve the order between the end of a batch and the report of an earlier one. */
const WITH_DEADLINES: readonly ParityCaseOptions[] = WITHOUT_DEADLINES.filter(
  ({ unitMs, rule }) => unitMs < 1 && rule === 'default',
).map((options) => ({ ...options, deadlines: true }));
/** Devices that are sometimes slower or faster than profiled, and measure it. */
const WITH_SLOWDOWNS: readonly ParityCaseOptions[] = [...WITHOUT_DEADLINES, ...WITH_DEADLINES]
  .filter(({ unitMs, rule }) => unitMs < 1 && rule === 'default')
  .map((options) => ({ ...options, slowdowns: true }));
/** Samples of different sizes; only those of the same size share batches. */
const RAGGED: readonly ParityCaseOptions[] = [
  ...WITHOUT_DEADLINES.filter(({ rule }) => rule === 'default'),
  ...WITH_DEADLINES,
  ...WITH_SLOWDOWNS,
].map((options) => ({ ...options, ragged: true }));
/** Audits in spare time; in fine times only, because messages between devices arrive in the order of their causes. */
const AUDITED: readonly ParityCaseOptions[] = [...WITHOUT_DEADLINES, ...WITH_DEADLINES, ...WITH_SLOWDOWNS, ...RAGGED]
  .filter(({ unitMs, rule, heartbeats }) => unitMs < 1 && rule === 'default' && heartbeats === 'spread')
  .map((options) => ({ ...options, audit: true }));
const VARIANTS = [...WITHOUT_DEADLINES, ...WITH_DEADLINES, ...WITH_SLOWDOWNS, ...RAGGED, ...AUDITED];

describe('the real actors in virtual time and the simulator do exactly the same for the same arrivals', () => {
  test.each(VARIANTS)(
    'times in multiples of $unitMs ms, gears by the $rule rule, heartbeats $heartbeats, deadlines: $deadlines, slowdowns: $slowdowns, ragged: $ragged, audit: $audit',
    async (options) => {
      for (let seed = FROM; seed < FROM + CASES; seed++) {
        const made = parityCase(seed, options);
        const simulated = simulatedRun(made);
        const actors = await actorsRun(made, simulated.endMs);
        const replay = `PARITY_FROM=${seed} PARITY_CASES=1 npx vitest run test/simulation/parity.test.ts`;
        // The simulation ends with its last answer; the gear-controller does not.
        const gearsOf = ({ gears }: ParityRun) => gears.filter(({ at }) => at < simulated.endMs);
        expect(gearsOf(actors), replay).toEqual(gearsOf(simulated));
        // Nor does the simulation start an audit after that.
        const batchesOf = ({ batches }: ParityRun) => (made.audit ? batches.filter(({ at }) => at < simulated.endMs) : batches);
        expect(batchesOf(actors), replay).toEqual(batchesOf(simulated));
        expect(actors.answers, replay).toEqual(simulated.answers);
        expect(actors.answers.length, replay).toBe(made.arrivalsMs.length);
      }
    },
  );

  test('these runs contain everything that could make them differ', () => {
    const seen = { several: 0, gearsUp: 0, gearsDown: 0, laterModels: 0, waited: 0, largeBatches: 0, sameInstant: 0 };
    for (const options of WITHOUT_DEADLINES) {
      for (let seed = 0; seed < 15; seed++) {
        const made = parityCase(seed, options);
        const { batches, gears, answers } = simulatedRun(made);
        if (made.devices.length > 1) seen.several++;
        gears.forEach(({ gear }, i) => {
          if (gear > (gears[i - 1]?.gear ?? 0)) seen.gearsUp++;
          else seen.gearsDown++;
        });
        const waits = made.plan.gears.map((gear) => gear.maxWaitMs);
        const started = new Map<number, number>();
        for (const { at, requests } of batches) {
          if (requests.length >= 8) seen.largeBatches++;
          if (!started.has(requests[0]) && waits.includes(at - made.arrivalsMs[requests[0]])) seen.waited++;
          for (const request of requests) started.set(request, (started.get(request) ?? 0) + 1);
        }
        seen.laterModels += answers.filter((_, request) => started.get(request)! > 1).length;
        seen.sameInstant += batches.filter(({ at }, i) => at === batches[i - 1]?.at).length;
      }
    }
    for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(50);
  });

  test('those with deadlines contain refusals, requests that expire, and answers that stand', () => {
    const seen = { refused: 0, expired: 0, standing: 0, answered: 0 };
    for (const options of WITH_DEADLINES) {
      for (let seed = 0; seed < 15; seed++) {
        const made = parityCase(seed, options);
        // Even with other gears at other times, most would be answered by the same model.
        const patient = simulatedRun({ ...made, deadlineMs: undefined }).answers;
        simulatedRun(made).answers.forEach((answer, request) => {
          const other = patient[request];
          if ('refused' in answer) seen[answer.refused === 'RESOURCE_EXHAUSTED' ? 'refused' : 'expired']++;
          else if ('model' in other && made.plan.models.indexOf(answer.model) < made.plan.models.indexOf(other.model))
            seen.standing++;
          else seen.answered++;
        });
      }
    }
    for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(50);
  });

  test('those with audits contain all kinds: on the device that answered and on others, and audits that delayed a request', () => {
    const seen = { here: 0, elsewhere: 0, delayed: 0 };
    for (const options of AUDITED) {
      for (let seed = 0; seed < 15; seed++) {
        const made = parityCase(seed, options);
        const { batches, answers } = simulatedRun(made);
        const last = new Map<number, { device: string; model: string }>();
        for (const { device, model, requests } of batches) {
          const before = last.get(requests[0]);
          const answer = answers[requests[0]];
          const isAudit = before !== undefined && 'model' in answer && answer.model === before.model && model !== answer.model;
          if (isAudit) seen[device === before.device ? 'here' : 'elsewhere']++;
          for (const request of requests) last.set(request, { device, model });
        }
        simulatedRun({ ...made, audit: undefined }).answers.forEach((other, request) => {
          const answer = answers[request];
          if ('model' in answer && 'model' in other && answer.latencyMs > other.latencyMs) seen.delayed++;
        });
      }
    }
    for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(50);
  });
});
