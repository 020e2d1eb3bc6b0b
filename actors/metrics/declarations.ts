import { SIZE_BOUNDS, TIME_BOUNDS_MS } from '../../plans/protocol/histogram.ts';

interface Declaration {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** Unit of the values, for people; following Prometheus, the name contains it too. */
  readonly unit: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** For a histogram: upper bounds, in that unit. */
  readonly bounds?: readonly number[];
}

/** Every second bound of the devices' histograms: five per decade. */
const TIME_BOUNDS_SECONDS = TIME_BOUNDS_MS.filter((_, i) => i % 2 === 0).map((ms) => Number((ms / 1_000).toPrecision(3)));

/** All metrics. The exposition and docs/metrics.md are generated from here; the Grafana dashboard and the alerts are checked against it. */
export const METRICS = {
  build: {
    name: 'cascade_build_info',
    type: 'gauge',
    unit: '1',
    help: 'Always 1; the labels name the deployment and the version of the exporter.',
    labels: ['deployment', 'version'],
  },
  requests: {
    name: 'cascade_requests_total',
    type: 'counter',
    unit: 'requests',
    help: 'Requests that reached the frontends, including those refused for overload.',
    labels: [],
  },
  answers: {
    name: 'cascade_answers_total',
    type: 'counter',
    unit: 'requests',
    help: 'Answers, by the device and model that gave them, the gear, and why they ended there: certain enough, last model, deadline, or no later model in the gear.',
    labels: ['device', 'model', 'gear', 'exit'],
  },
  unserved: {
    name: 'cascade_unserved_requests_total',
    type: 'counter',
    unit: 'requests',
    help: 'Requests that ended without a result, by role, how they ended (refused, expired, failed, cancelled), why, and the error code sent to the client.',
    labels: ['role', 'kind', 'reason', 'code'],
  },
  total: {
    name: 'cascade_request_duration_seconds',
    type: 'histogram',
    unit: 'seconds',
    help: 'Time from the frontend to the answer, over all stages, by the device and model that answered.',
    labels: ['device', 'model'],
    bounds: TIME_BOUNDS_SECONDS,
  },
  queue: {
    name: 'cascade_request_queue_seconds',
    type: 'histogram',
    unit: 'seconds',
    help: 'The part of that time spent in queues.',
    labels: ['device', 'model'],
    bounds: TIME_BOUNDS_SECONDS,
  },
  compute: {
    name: 'cascade_request_compute_seconds',
    type: 'histogram',
    unit: 'seconds',
    help: 'The part of that time spent in batches of models.',
    labels: ['device', 'model'],
    bounds: TIME_BOUNDS_SECONDS,
  },
  batchSize: {
    name: 'cascade_batch_size_requests',
    type: 'histogram',
    unit: 'requests',
    help: 'Requests in a batch.',
    labels: ['device', 'model'],
    bounds: SIZE_BOUNDS,
  },
  batchSeconds: {
    name: 'cascade_batch_duration_seconds',
    type: 'histogram',
    unit: 'seconds',
    help: 'Inference time of a batch.',
    labels: ['device', 'model'],
    bounds: TIME_BOUNDS_SECONDS,
  },
  load: {
    name: 'cascade_load_requests_per_second',
    type: 'gauge',
    unit: 'requests/s',
    help: 'Arrivals over all frontends, in the last interval of 100 ms.',
    labels: [],
  },
  loadMax: {
    name: 'cascade_load_max_requests_per_second',
    type: 'gauge',
    unit: 'requests/s',
    help: 'Highest load that the deployment plans for (load.qpsMax).',
    labels: [],
  },
  sloLatency: {
    name: 'cascade_slo_latency_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'The 95th percentile of latency that the deployment promises; absent under an accuracy SLO.',
    labels: [],
  },
  sloAccuracy: {
    name: 'cascade_slo_accuracy_ratio',
    type: 'gauge',
    unit: 'share',
    help: 'The accuracy that the deployment promises; absent under a latency SLO.',
    labels: [],
  },
  gear: {
    name: 'cascade_gear',
    type: 'gauge',
    unit: 'number',
    help: 'Number of the gear in force. The label names the lost device that the gears are for, if any.',
    labels: ['lost'],
  },
  gearSwitches: {
    name: 'cascade_gear_switches_total',
    type: 'counter',
    unit: 'changes',
    help: 'Changes of gear, by the rule that decided: load, speed, backlog, held, settling, pinned.',
    labels: ['rule'],
  },
  revision: {
    name: 'cascade_plan_revision',
    type: 'gauge',
    unit: 'number',
    help: 'Revision of the gear plan in force.',
    labels: [],
  },
  frontends: {
    name: 'cascade_frontends',
    type: 'gauge',
    unit: 'processes',
    help: 'Frontends that reported within the last second.',
    labels: [],
  },
  deviceUp: {
    name: 'cascade_device_up',
    type: 'gauge',
    unit: '0 or 1',
    help: 'Whether a device of the deployment is ready and sent a heartbeat within the last second.',
    labels: ['device'],
  },
  deviceSlowdown: {
    name: 'cascade_device_slowdown_ratio',
    type: 'gauge',
    unit: 'factor',
    help: 'How many times longer than profiled batches take now: 2 is half the speed.',
    labels: ['device'],
  },
  deviceStarved: {
    name: 'cascade_device_starved_ratio',
    type: 'gauge',
    unit: 'share',
    help: 'Share of the time for which the inference thread waited for a processor; absent if the system does not report it.',
    labels: ['device'],
  },
  deviceBusy: {
    name: 'cascade_device_busy_seconds_total',
    type: 'counter',
    unit: 'seconds',
    help: 'Time spent in inference; its rate is the utilisation.',
    labels: ['device'],
  },
  deviceBacklog: {
    name: 'cascade_device_backlog_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'Computing time of all queued work, at the measured speed.',
    labels: ['device'],
  },
  deviceLoopDelay: {
    name: 'cascade_device_event_loop_delay_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: '99th percentile of the event loop delay since the last heartbeat.',
    labels: ['device'],
  },
  queueLength: {
    name: 'cascade_queue_length_requests',
    type: 'gauge',
    unit: 'requests',
    help: 'Requests waiting for a replica, with one series per ready replica.',
    labels: ['device', 'model'],
  },
  weightsMissing: {
    name: 'cascade_weights_missing',
    type: 'gauge',
    unit: '1',
    help: '1 for a model whose weights the plan in force places on a device that cannot get them.',
    labels: ['device', 'model'],
  },
  dropped: {
    name: 'cascade_dropped_messages_total',
    type: 'counter',
    unit: 'messages',
    help: 'Messages that could not be decoded or did not fit into a mailbox, by role and reason.',
    labels: ['role', 'reason'],
  },
  events: {
    name: 'cascade_events_total',
    type: 'counter',
    unit: 'events',
    help: 'Events of the deployment, by type.',
    labels: ['type'],
  },
  driftDistance: {
    name: 'cascade_drift_distance_ratio',
    type: 'gauge',
    unit: 'share',
    help: 'How far the load, or the certainties of a model, are from the plan: 0 means equal, 1 nothing in common.',
    labels: ['what', 'model'],
  },
  driftDetected: {
    name: 'cascade_drift_detected',
    type: 'gauge',
    unit: '0 or 1',
    help: 'Whether that distance exceeds its bound.',
    labels: ['what', 'model'],
  },
  auditCompared: {
    name: 'cascade_audit_answers_total',
    type: 'counter',
    unit: 'answers',
    help: 'Answers that were compared with the most accurate model’s, by the model that gave them, and whether the two agree.',
    labels: ['model', 'agrees'],
  },
  auditDisagreement: {
    name: 'cascade_audit_disagreement_ratio',
    type: 'gauge',
    unit: 'share',
    help: 'Share of answers that the most accurate model would not give: the estimate and the ends of its 95 % interval.',
    labels: ['bound'],
  },
  auditAccuracy: {
    name: 'cascade_audit_accuracy_ratio',
    type: 'gauge',
    unit: 'share',
    help: 'Live accuracy estimated by audits: the estimate, the ends of its 95 % interval, and what was expected.',
    labels: ['bound'],
  },
  auditLost: {
    name: 'cascade_audit_accuracy_lost',
    type: 'gauge',
    unit: '0 or 1',
    help: 'Whether audits show that accuracy is being lost.',
    labels: [],
  },
} as const satisfies Readonly<Record<string, Declaration>>;

type Metrics = typeof METRICS;
export type MetricKey = keyof Metrics;
export type HistogramKey = { [K in MetricKey]: Metrics[K]['type'] extends 'histogram' ? K : never }[MetricKey];
export type NumberKey = Exclude<MetricKey, HistogramKey>;
export type LabelsOf<K extends MetricKey> = Readonly<Record<Metrics[K]['labels'][number], string>>;
