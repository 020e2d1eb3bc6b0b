import { type GearPlan, PLAN_SCHEMA } from '../domain/gear-plan/gear-plan.ts';
import type {
  CancelFrame,
  Cancellation,
  DeviceState,
  GearMessage,
  LoadReport,
  PlanVerdict,
  PreparedMessage,
  PrepareMessage,
} from './control-messages.ts';
import type { DriftReport } from './drift-report.ts';
import type { EventMessage } from './events.ts';
import type { DoneFrame } from './messages.ts';

/** One message per channel, for the reference in docs/ and for tests, which check that documented messages can be decoded. */

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

const opinion = { label: 7, certainty: 0.41, model: 'cnn-small', stage: 0, gear: 2, revision: 3 };

export const REQUEST = json({ id: 'a17', inputs: { image: [0, 0, 12, 255] }, deadlineMs: 100 });
export const RESULT = json({
  id: 'a17',
  label: 7,
  className: 'sneaker',
  certainty: 0.93,
  model: 'cnn-small',
  stage: 0,
  exit: 'certain',
  gear: 2,
  revision: 3,
  timing: { queueMs: 1.2, computeMs: 0.8, totalMs: 2.4 },
});
export const WORK = json({
  origin: 'host-1-4f2a',
  seq: [1041],
  id: ['a17'],
  reply: ['_INBOX.client.x.1'],
  flags: [1],
  ageMs: [0.3],
  leftMs: [99.7],
  queueMs: [0],
  computeMs: [0],
  opinion: [opinion],
  tensors: [{ data: 'bytes', shapes: null }],
});
export const AUDIT = json({ opinion, tensors: [{ data: 'bytes', shapes: null }] });
export const DONE: DoneFrame = {
  device: 'cpu-0',
  finished: [1040, 1041],
  dropped: 0,
  moved: [{ device: 'cpu-1', seqs: [1042] }],
};
export const CANCELLATIONS: readonly Cancellation[] = [{ token: 'Zk3vQ0bYt1mXw8Rc', ids: ['a17'] }];
export const CANCEL_FRAME: CancelFrame = { origin: 'host-1-4f2a', seqs: [1043] };
export const LOAD: LoadReport = { frontend: 'host-1-4f2a', pid: 4711, intervalMs: 100.4, arrivals: 212 };
export const STATE: DeviceState = {
  device: 'cpu-0',
  host: 'host-1',
  phase: 'ready',
  incarnation: '4712-1',
  claim: '4700',
  absences: 0,
  pid: 4712,
  revision: 3,
  gear: 2,
  epoch: 41,
  gearDelayMs: 0.9,
  queues: { 'cnn-small': 3, resnet: 0 },
  answered: { 'cnn-small': 80_112, resnet: 4_410 },
  backlogMs: 1.1,
  slowdown: 1.02,
  starvedShare: 0.01,
  completedBatches: 21_377,
  busyMs: 30_512,
  upMs: 91_000,
  loopDelayMsP99: 1.3,
  emulated: false,
};
export const GEAR: GearMessage = {
  revision: 3,
  gear: 2,
  epoch: 41,
  decidedAt: 1_790_000_000_000,
  basis: {
    rule: 'load',
    qps: 2_110,
    lowQps: 1_960,
    highQps: 2_260,
    scale: 1,
    slowdown: 1,
    firstQueue: 3,
    backlog: 3,
    excess: 0,
    waitMs: 1.1,
  },
};
const expected = { accuracy: 0.94, accuracyInterval: [0.93, 0.95] as [number, number] };
const curve = { batch: [1, 8], ms: [0.8, 3.1] };
const PLAN_EXAMPLE: GearPlan = {
  schema: PLAN_SCHEMA,
  deployment: 'fashion',
  digest: '9f2c',
  synthetic: false,
  slo: { p95: 100 },
  models: ['cnn-small'],
  weights: {
    'cnn-small': { digest: '51ab', memoryBytes: 1_200_000, runtimes: { 'cpu-1': curve }, certaintyEdges: [], accuracy: 0.94 },
  },
  devices: ['cpu-0'],
  placement: [{ model: 'cnn-small', device: 'cpu-0' }],
  gears: [
    {
      qps: [0, 2_000],
      cascade: [{ model: 'cnn-small' }],
      shares: { 'cnn-small': { 'cpu-0': 1 } },
      minQueueLength: { 'cnn-small': { 'cpu-0': 4 } },
      maxWaitMs: 10,
      expected: { ...expected, latencyMs: { p50: 2, p95: 5, p99: 9 }, utilisation: { 'cpu-0': 0.8 }, bottleneck: 'cnn-small' },
    },
  ],
  expected: { ...expected, latencyMsP95: 5 },
  qpsWeights: [1],
  frontier: [],
  search: {},
};

export const PIN_ORDER = json({ gear: 2, forMs: 600_000 });
export const ROLLBACK = json({ rollback: true });
export const PREPARE: PrepareMessage = {
  revision: 4,
  plan: PLAN_EXAMPLE,
};
export const PREPARED: PreparedMessage = { revision: 4, device: 'cpu-0', incarnation: '4712-1' };
export const VERDICT: PlanVerdict = { revision: 4 };
export const EVENT: EventMessage = { type: 'plan-adopted', revision: 4 };
export const DRIFT_REPORT: DriftReport = {
  revision: 3,
  qps: {
    observations: 600,
    distance: 0.08,
    bound: 0.25,
    drifted: false,
    meanQps: 1_930,
    plannedMeanQps: 2_000,
    qpsMax: 8_000,
    weights: [0.3, 0.7],
    plannedWeights: [0.5, 0.5],
    histogram: [0.3, 0.7],
    histogramAbove: [0.1],
    above: 0.1,
  },
  certainty: [{ model: 'cnn-small', observations: 80_112, distance: 0.02, bound: 0.1, drifted: false }],
  audit: null,
};
