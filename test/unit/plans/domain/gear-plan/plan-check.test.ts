import { describe, expect, test } from 'vitest';
import type { Device } from '../../../../../plans/domain/deployment/deployment.ts';
import type { GearPlan } from '../../../../../plans/domain/gear-plan/gear-plan.ts';
import { checkPlanFor, type PlanSubject } from '../../../../../plans/domain/gear-plan/plan-check.ts';
import { planGears } from '../../../../../plans/planner/planner.ts';
import { planOf, weightsOf } from '../../../../support/plans.ts';
import { cores } from '../../planner/requests.ts';

const models = ['small', 'large'];
const cpu = (id: string): Device => ({ id, kind: 'cpu', cores: [0], memoryBytes: 300, host: 'local' });
const deployment: PlanSubject = {
  name: 'test',
  models: models.map((name) => ({ name, file: `/models/${name}.onnx`, maxBatch: 8 })),
  devices: [cpu('d0'), cpu('d1')],
};
const good: GearPlan = {
  ...planOf({ models, devices: ['d0', 'd1'], cascades: [['small', 'large'], ['small']] }),
  weights: { small: weightsOf('small', { memoryBytes: 100 }), large: weightsOf('large', { memoryBytes: 200 }) },
};

/** The problems of the good plan after a change. */
function problemsAfter(change: (plan: Writable<GearPlan>) => void, subject = deployment): string[] {
  const plan = structuredClone(good);
  change(plan);
  return checkPlanFor(subject, plan);
}

type Writable<T> = T extends object ? { -readonly [K in keyof T]: Writable<T[K]> } : T;

describe('a plan that can be served', () => {
  test('has no problems', () => {
    expect(checkPlanFor(deployment, good)).toEqual([]);
  });

  test('comes from the planner, including the gears for the loss of each device', async () => {
    const request = cores({ qpsMax: 3000, contingencies: true });
    const result = await planGears(request);
    if (result.type === 'infeasible') throw new Error(result.reason);
    const subject: PlanSubject = {
      name: request.deployment,
      models: request.profile.models.map(({ name }) => ({ name, file: `/models/${name}.onnx`, maxBatch: 64 })),
      devices: request.devices.map(({ id, memoryBytes }) => ({ ...cpu(id), memoryBytes })),
    };
    expect(result.plan.contingencies).toBeDefined();
    expect(result.plan.beyond).toBeDefined();
    expect(checkPlanFor(subject, result.plan)).toEqual([]);
  });

  test('may list the family by measured time, however the deployment lists it', () => {
    const listed = { ...deployment, models: deployment.models.toReversed() };
    expect(checkPlanFor(listed, good)).toEqual([]);
  });

  test('may leave devices of the deployment unused', () => {
    expect(checkPlanFor(deployment, planOf({ models }))).toEqual([]);
  });
});

describe('a plan is refused', () => {
  test.each<[why: string, change: (plan: Writable<GearPlan>) => void, problem: string]>([
    ['for another deployment', (plan) => (plan.deployment = 'other'), 'deployment: "other", not test'],
    [
      'that names a file as a model',
      (plan) => (plan.models[1] = '../../etc/passwd'),
      'models: "../../etc/passwd" is not a model of the deployment, which has small, large',
    ],
    [
      'with a cascade against the order of its models',
      (plan) => plan.models.reverse(),
      'gears[0].cascade[1].model: large does not come after small in the family',
    ],
    [
      'with a model twice',
      (plan) => plan.models.push('small'),
      'models: small, large, small; the deployment has small, large, and a plan names each exactly once',
    ],
    ['without the weights of a model', (plan) => delete plan.weights.small, 'weights: none for model "small"'],
    ['without a model', (plan) => plan.models.pop(), 'models: small; the deployment has small, large'],
    [
      'with an unknown device',
      (plan) => plan.devices.push('d9'),
      'devices: "d9" is not a device of the deployment, which has d0, d1',
    ],
    ['that names a device twice', (plan) => plan.devices.push('d0'), 'devices: "d0" is named twice'],
    [
      'that places an unknown model',
      (plan) => (plan.placement[0].model = '/etc/passwd'),
      'placement[0].model: "/etc/passwd" is not among',
    ],
    ['that places on an unknown device', (plan) => (plan.placement[0].device = 'd9'), 'placement[0].device: "d9" is not among'],
    ['with a replica twice', (plan) => plan.placement.push(plan.placement[0]), 'placement: "small on d0" is placed twice'],
    ['with a gap between ranges', (plan) => (plan.gears[1].qps[0] = 120), 'gears[1].qps: starts at 120; must start at 100'],
    ['that does not begin at 0', (plan) => (plan.gears[0].qps[0] = 1), 'gears[0].qps: starts at 1; must start at 0'],
    [
      'with an empty range',
      (plan) => (plan.gears[1].qps[1] = 100),
      'gears[1].qps: ends at 100, which is not above its start 100',
    ],
    [
      'with an unknown model in a cascade',
      (plan) => (plan.gears[0].cascade[1].model = 'huge'),
      'gears[0].cascade[1].model: "huge" is not among',
    ],
    [
      'with a cascade out of family order',
      (plan) => (plan.gears[0].cascade = [{ model: 'large', threshold: 0.5 }, { model: 'small' }]),
      'gears[0].cascade[1].model: small does not come after large in the family',
    ],
    [
      'with a stage that never passes on',
      (plan) => delete plan.gears[0].cascade[0].threshold,
      'gears[0].cascade[0].threshold: missing; only the last stage has none',
    ],
    [
      'with a threshold on the last stage',
      (plan) => (plan.gears[0].cascade[1].threshold = 0.5),
      'gears[0].cascade[1].threshold: 0.5; the last stage has none',
    ],
    [
      'with shares that do not sum to 1',
      (plan) => (plan.gears[0].shares.small.d0 = 0.25),
      'gears[0].shares: those of "small" sum to 0.75; must be 1',
    ],
    ['without shares of a stage', (plan) => delete plan.gears[0].shares.large, 'gears[0].shares: none for "large"'],
    [
      'with a share on a replica that is not placed',
      (plan) => plan.placement.splice(3, 1),
      'gears[0].shares: "large on d1" is not in the placement',
    ],
    [
      'with a minimum queue length of a replica that is not placed',
      (plan) => (plan.gears[1].minQueueLength.large = { d9: 2 }),
      'gears[1].minQueueLength: "large on d9" is not in the placement',
    ],
    [
      'without the minimum queue length of a replica',
      (plan) => delete plan.gears[0].minQueueLength.large.d1,
      'gears[0].minQueueLength: none for "large on d1", which has a share',
    ],
    [
      'without the minimum queue lengths of a model',
      (plan) => delete plan.gears[0].minQueueLength.large,
      'gears[0].minQueueLength: none for "large on d0", which has a share',
    ],
    ['with reach of too few stages', (plan) => (plan.gears[0].reach = [1]), 'gears[0].reach: 1 fractions for 2 stages'],
    [
      'with reach that rises',
      (plan) => (plan.gears[0].reach = [0.2, 0.7]),
      'gears[0].reach: 0.2, 0.7; must begin with 1 and never rise',
    ],
    [
      'with gears beyond it that do not follow',
      (plan) => (plan.beyond = [{ ...plan.gears[1], qps: [250, 300] }]),
      'beyond[0].qps: starts at 250; must start at 200',
    ],
    [
      'with gears beyond it that leave a gap',
      (plan) => {
        plan.beyond = [
          { ...plan.gears[1], qps: [200, 300] },
          { ...plan.gears[1], qps: [310, 400] },
        ];
      },
      'beyond[1].qps: starts at 310; must start at 300',
    ],
    [
      'with an unknown model beyond it',
      (plan) => (plan.beyond = [{ ...plan.gears[1], qps: [200, 300], cascade: [{ model: 'huge' }] }]),
      'beyond[0].cascade[0].model: "huge" is not among',
    ],
    [
      'with a replica beyond it that is not placed',
      (plan) => (plan.beyond = [{ ...plan.gears[1], qps: [200, 300], shares: { small: { d9: 1 } } }]),
      'beyond[0].shares: "small on d9" is not in the placement',
    ],
    [
      'with gears beyond those for a loss that use what is lost',
      (plan) => {
        const only = { shares: { small: { d1: 1 } }, minQueueLength: { small: { d1: 1 } } };
        const gears = [{ ...plan.gears[1], ...only, qps: [0, 100] as [number, number] }];
        plan.contingencies = [{ lost: 'd0', alike: [], gears, beyond: [{ ...plan.gears[1], qps: [100, 200] }] }];
      },
      'contingencies[0].beyond without d0[0].shares.small: d0 has a share, but is the lost device',
    ],
    ['with weights that do not sum to 1', (plan) => (plan.qpsWeights = [0, 0]), 'qpsWeights: sum to 0; must be 1'],
    ['with another number of weights', (plan) => plan.qpsWeights.pop(), 'qpsWeights: 1 weights for 2 gears'],
    [
      'with a contingency for an unknown device',
      (plan) => (plan.contingencies = [{ lost: 'd9', alike: [], gears: plan.gears }]),
      'contingencies[0]: "d9" is not among',
    ],
    [
      'with a contingency that uses the lost device',
      (plan) => (plan.contingencies = [{ lost: 'd1', alike: ['d0'], gears: plan.gears }]),
      'contingencies[0].gears without d1[0].shares.small: d1 has a share, but is the lost device',
    ],
  ])('%s', (_, change, problem) => {
    expect(problemsAfter(change).join('\n')).toContain(problem);
  });

  test('that needs more memory than a device has, giving the figures', () => {
    const tight = { ...deployment, devices: [{ ...cpu('d0'), memoryBytes: 299 }, cpu('d1')] };
    expect(problemsAfter(() => undefined, tight)).toEqual([
      'placement: d0 has 299 bytes of memory; small (100) + large (200) need 300',
    ]);
  });

  test('that places a model where it was never measured', () => {
    const other: PlanSubject = { ...deployment, devices: [cpu('d0'), { ...cpu('d1'), kind: 'cpu', cores: [0, 1] }] };
    expect(problemsAfter(() => undefined, other)).toEqual([
      'placement: small on d1: weights.small has no runtimes on cpu-2',
      'placement: large on d1: weights.large has no runtimes on cpu-2',
    ]);
  });

  test('without repeating an overlong name in full', () => {
    const [problem] = problemsAfter((plan) => (plan.models[0] = 'x'.repeat(100_000)));
    expect(problem.length).toBeLessThan(300);
  });

  test('whatever its models and devices are called', () => {
    const odd = planOf({ models: ['constructor', '__proto__'], devices: ['toString'] });
    const subject: PlanSubject = {
      name: 'test',
      models: odd.models.map((name) => ({ name, file: 'f', maxBatch: 8 })),
      devices: [cpu('toString')],
    };
    expect(checkPlanFor(subject, odd)).toEqual([]);
    expect(checkPlanFor(subject, { ...odd, gears: [{ ...odd.gears[0], shares: {} }] })).toEqual([
      'gears[0].shares: none for "constructor", which is in the cascade',
      'gears[0].shares: none for "__proto__", which is in the cascade',
    ]);
  });
});
