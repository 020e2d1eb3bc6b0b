import { z } from 'zod';
import { NO_SUBJECT_TOKEN, SUBJECT_TOKEN } from '../../../engine/actor/subject.ts';
import type { RemoteModelName } from '../../../engine/backend/backend.ts';
import { DATATYPES } from '../../../engine/oip/datatypes.ts';
import type { Dtype } from '../../../engine/tensor/tensor.ts';
import { DEFAULT_GEAR_RULE, LOAD_INTERVAL_MS } from '../../policy/gear-choice.ts';
import { LONGEST_WINDOW_MS } from '../../policy/load-history.ts';
import { DEADLINE_MAX_MS } from '../../protocol/request.ts';
import { MAX_RANGES } from './limits.ts';
import { remoteUrlProblem } from './remote-url.ts';
import { shown } from './shown.ts';
import { parseBytes, parseDurationMs } from './units.ts';

/**
 * The deployment file: every option once, with its type, default, unit and a sentence. Error messages look up known keys and their
 * descriptions here.
 */

const name = z.string().regex(SUBJECT_TOKEN, {
  error: (issue) => `${shown(issue.input)} ${NO_SUBJECT_TOKEN}`,
});

const path = z.string().min(1);

const anyDuration = z
  .union([z.number(), z.string()], {
    error: (issue) => `${shown(issue.input)} is not a time; write 100ms, 0.1s, or milliseconds`,
  })
  .transform((value, context) => {
    const ms = parseDurationMs(value);
    if (ms !== undefined && ms > 0) return ms;
    context.addIssue(`${shown(value)} is not a time above 0; write 100ms, 0.1s, or milliseconds`);
    return z.NEVER;
  });

const durationUpTo = (longestMs: number) =>
  anyDuration.refine((ms) => ms <= longestMs, {
    error: (issue) => `${shown(issue.input)} ms is too long; at most ${longestMs} ms`,
  });

const DAY_MS = 86_400_000;
/** A timer set for longer fires at once. */
const duration = durationUpTo(2 ** 31 - 1);

const bytes = z
  .union([z.number(), z.string()], { error: (issue) => `${shown(issue.input)} is not an amount of memory; write 512MiB or 1GiB` })
  .transform((value, context) => {
    const amount = parseBytes(value);
    if (amount !== undefined && amount > 0) return amount;
    context.addIssue(`${shown(value)} is not an amount of memory above 0; write 512MiB or 1GiB`);
    return z.NEVER;
  });

const SCORE_KINDS = ['logits', 'probabilities'] as const;

const outputName = z.string().min(1);

const remoteModel = z.union(
  [
    z
      .string()
      .min(1)
      .transform((text): RemoteModelName => ({ name: text })),
    z.strictObject({
      name: z.string().min(1).describe('Name of the model on the server'),
      version: z
        .union([z.string().min(1), z.int().nonnegative().transform(String)])
        .optional()
        .describe('Version of the model on the server; default: the choice of the server'),
      output: outputName.optional().describe('Output that holds the scores on the server; default: `output` of the model'),
    }),
  ],
  { error: (issue) => `${shown(issue.input)} does not name a model of a server; write its name, or { name, version, output }` },
);

const model = z.strictObject({
  name: name.describe('Name of the model; part of NATS subjects'),
  file: path
    .optional()
    .describe('ONNX file, relative to the deployment file; not needed for a model that is only on remote devices'),
  remote: remoteModel
    .optional()
    .describe('What servers behind devices of kind remote call this model: a name, or { name, version, output }'),
  maxBatch: z.int().min(1).max(4096).default(64).describe('Largest batch to profile and to run (samples)'),
  output: outputName.optional().describe('Output of this model that holds the scores; default: `output` of the family'),
  scores: z.enum(SCORE_KINDS).optional().describe('What this model gives; default: `scores` of the family'),
  inputs: z
    .record(z.string().min(1), z.string().min(1))
    .optional()
    .describe('Names of inputs that differ from the family: { <input of the model>: <input of the family> }'),
});

const syntheticModel = z.strictObject({
  name: name.describe('Name of the model; part of NATS subjects'),
  accuracy: z.number().gt(0).max(1).describe('Fraction of the samples that it classifies correctly'),
  fixed: duration.describe('Time of a batch, whatever its size (10ms, or milliseconds)'),
  perSample: duration.describe('Time for each sample of a batch (2ms, or milliseconds)'),
  memory: bytes.describe('Memory of one replica (bytes, or 512MiB, 1GiB)'),
});

const synthetic = z.strictObject({
  models: z.array(syntheticModel).min(1).describe('The made-up family, in any order'),
  samples: z.int().min(10).max(1_000_000).default(4000).describe('Number of made-up samples'),
  classes: z.int().min(2).max(10_000).default(2).describe('Number of classes'),
  correlation: z
    .number()
    .min(0)
    .max(1)
    .default(0.8)
    .describe('Share of a sample’s difficulty common to all models; if high, expensive models help little where cheap ones fail'),
  batches: z
    .array(z.int().positive())
    .min(1)
    .default([1, 2, 4, 8, 16, 32, 64])
    .describe('Batch sizes of the runtime curves, ascending from 1')
    .refine((sizes) => sizes[0] === 1 && sizes.every((size, i) => i === 0 || size > sizes[i - 1]), {
      error: 'must ascend, from 1 on, such as [1, 2, 4, 8]',
    }),
  seed: z.int().nonnegative().default(1).describe('Seed of the samples and answers'),
});

const ESTIMATORS = ['margin', 'logit-margin', 'max-probability', 'entropy'] as const;

const certainty = z.union(
  [
    z.enum(ESTIMATORS),
    z.strictObject({ output: outputName.describe('Model output [batch] that holds the certainty') }),
    z.strictObject({
      spread: outputName.describe(
        'Model output [batch, members] of an ensemble: certainty is 1 / (1 + standard deviation of the members)',
      ),
    }),
  ],
  {
    error: (issue) =>
      `${shown(issue.input)} is not a certainty estimator; write ${ESTIMATORS.join(', ')}, { output: NAME } or { spread: NAME }`,
  },
);

const TASKS = ['classification', 'binary', 'multi-label', 'regression', 'custom'] as const;

const DTYPES_BY_DATATYPE = Object.fromEntries(Object.entries(DATATYPES).map(([dtype, datatype]) => [datatype, dtype as Dtype]));

const input = z.strictObject({
  datatype: z
    .enum(Object.values(DATATYPES))
    .transform((datatype) => DTYPES_BY_DATATYPE[datatype])
    .optional()
    .describe('Element type, as named in the Open Inference Protocol (UINT8, FP32 ...); for inputs that no model file declares'),
  shape: z
    .array(
      z
        .int()
        .min(1)
        .or(z.literal('any'))
        .transform((length) => (length === 'any' ? null : length)),
    )
    .optional()
    .describe(
      'Beside `datatype`: the shape of one sample, without the batch axis; any: an axis of any length, such as [any, 16]',
    ),
  pad: z
    .number()
    .optional()
    .describe(
      'Pads ragged axes to the longest sample in the batch, and batches samples whose lengths are within a factor of two. For models whose answers do not depend on padding, such as those with a mask. Default: only samples of equal shape share a batch',
    ),
  maxLength: z
    .union([z.int().min(1), z.array(z.int().min(1)).min(1)], {
      error: (issue) =>
        `${shown(issue.input)} is not a length; write a whole number, or a list with one per variable-length axis`,
    })
    .optional()
    .describe(
      'Longest accepted length of variable-length axes: one number for all, or a list. Longer inputs are refused. Default: twice the longest sample of the data, at least 64',
    ),
  nan: z
    .enum(['refuse', 'allow'])
    .default('refuse')
    .describe('allow: values may be NaN (null in JSON), which tree models take as missing; infinity is still refused'),
});

const dataFiles = z.union([path, z.record(z.string(), path)], {
  error: (issue) =>
    `${shown(issue.input)} does not name data; write { <input>: file.npy, ... }, archive.npz, table.csv, table.parquet, or lines.jsonl of {"inputs": {...}, "label": 3} or {"<input>": ..., "label": 3}`,
});

const data = z.strictObject({
  inputs: dataFiles.describe(
    'One .npy file (or .npz#MEMBER, .csv#COLUMN) per model input: { <input>: FILE }, or FILE if there is only one; or one .npz archive, CSV or Parquet table, or file of JSON lines: samples with `inputs`, or the rows of a table',
  ),
  labels: path
    .optional()
    .describe(
      'File, .npz#MEMBER or .csv#COLUMN of class numbers or names, [samples] or one-hot; ' +
        'default: member `labels` of the .npz, the only column called label, target, class or y of the table, else its last, or `label` of each JSON line',
    ),
  quality: z
    .union([path, z.record(z.string(), path)])
    .optional()
    .describe(
      'For task custom: quality of each model on each sample, in [0, 1]: a .npy file [samples] per model, or one [samples, models] in the order of `models`',
    ),
  validation: z
    .number()
    .gt(0)
    .max(1)
    .default(0.5)
    .describe('Fraction of the samples used for profiling and planning; the rest is for load tests'),
  order: z
    .enum(['shuffled', 'time'])
    .default('shuffled')
    .describe(
      '`shuffled`: samples for planning are drawn at random, always the same ones, with the same mix of classes as the rest; ' +
        '`time`: samples are in time order, and the first ones are used for planning',
    ),
});

const deviceBase = {
  id: name.describe('Name of the device; part of NATS subjects'),
  memory: bytes.describe('Memory for model replicas (bytes, or 512MiB, 1GiB)'),
  host: name.default('local').describe('Host that runs the device: `local`, or the name given to `serve --host`'),
};

const tls = z.strictObject({
  ca: path.optional().describe('PEM file of the certificate authority'),
  cert: path.optional().describe('PEM file of the client certificate'),
  key: path.optional().describe('PEM file of the client key'),
});

const remoteDevice = z.strictObject({
  kind: z.literal('remote'),
  ...deviceBase,
  memory: bytes
    .optional()
    .describe(
      'Limit on the memory of the replicas placed on the server; default: none, because the server holds every model it serves',
    ),
  url: z
    .string()
    .superRefine((url, context) => {
      const problem = remoteUrlProblem(url);
      if (problem !== undefined) context.addIssue(problem);
    })
    .describe('Server of the Open Inference Protocol: http://HOST:PORT, https://, grpc:// or grpcs://'),
  models: z.array(name).min(1).optional().describe('Models of the family that this server has; default: all that have `remote`'),
  inFlight: z
    .int()
    .min(1)
    .max(64)
    .default(1)
    .describe(
      'Number of concurrent requests that a batch is split into, if the server computes several at once; `profile` uses it too',
    ),
  timeout: duration
    .default(5_000)
    .describe('A server that does not answer a batch within this time is lost (5s, or milliseconds)'),
  headers: z
    .record(z.string().min(1), z.string())
    .default({})
    .describe(`Sent with each request, as HTTP headers or gRPC metadata, such as { Authorization: "Bearer \${TOKEN}" }`),
  tls: tls.optional().describe('With https:// or grpcs://; default: the system authorities, and no client certificate'),
});

const device = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('cpu'),
    ...deviceBase,
    cores: z
      .array(z.int().nonnegative())
      .min(1)
      .refine((cores) => new Set(cores).size === cores.length, {
        error: (issue) => `${shown(issue.input)} names a core twice; name each once`,
      })
      .optional()
      .describe(
        'Cores that the inference threads are pinned to, one thread each; other threads of the device process use any free core; default: one unpinned thread',
      ),
  }),
  z.strictObject({
    kind: z.literal('cuda'),
    ...deviceBase,
    deviceId: z.int().nonnegative().default(0).describe('CUDA device number'),
  }),
  z.strictObject({
    kind: z.literal('emulated'),
    ...deviceBase,
    like: z.string().min(1).describe('Device class whose profiled runtimes are emulated: cpu-1, cpu-2, cuda ...'),
  }),
  remoteDevice,
]);

/** Run these checks even when other fields are wrong. A missing value, or one that is not a mapping, is reported by its type. */
const isMapping = ({ value }: { readonly value: unknown }): boolean => typeof value === 'object' && value !== null;

const slo = z
  .strictObject({
    p95: duration.optional().describe('Latency SLO: 95th percentile (100ms, 0.1s, or milliseconds); accuracy is maximised'),
    accuracy: z.number().gt(0).max(1).optional().describe('Accuracy SLO: minimum expected accuracy; latency is minimised'),
  })
  .refine((value) => (value.p95 === undefined) !== (value.accuracy === undefined), {
    error: 'must hold exactly one of p95 and accuracy, such as { p95: 100ms } or { accuracy: 0.92 }',
    when: isMapping,
  });

const distribution = z
  .strictObject({
    zipf: z.number().nonnegative().optional().describe('Exponent s: range k has weight 1 / (k + 1)^s; low loads are common'),
    histogram: z
      .union([path, z.array(z.number().nonnegative()).min(1)], {
        error: (issue) => `${shown(issue.input)} is not a histogram; write a list of weights or a JSON file`,
      })
      .optional()
      .describe('Measured weights of equal QPS ranges from 0 to qpsMax: a list, or a JSON file with it or { qpsMax, weights }'),
  })
  .refine((value) => (value.zipf === undefined) !== (value.histogram === undefined), {
    error: 'must hold exactly one of zipf and histogram, such as { zipf: 1.0 }',
    when: isMapping,
  });

const load = z.strictObject({
  qpsMax: z.number().positive().describe('Highest load to plan for (requests per second)'),
  ranges: z.int().min(1).max(MAX_RANGES).default(16).describe('Number of equal QPS ranges, one gear each'),
  distribution: distribution.default({ zipf: 1 }).describe('How often each QPS range occurs'),
});

const nats = z.strictObject({
  servers: z
    .array(z.string().min(1))
    .min(1)
    .default(['nats://127.0.0.1:4222'])
    .describe('NATS servers; the client tries them in turn'),
  user: z.string().optional().describe('User name'),
  password: z.string().optional().describe('Password of the user; quote it if it is all digits'),
  token: z.string().optional().describe('Token, if the server uses one; quote it if it is all digits'),
  credsFile: path.optional().describe('Credentials file (JWT and nkey)'),
  nkeyFile: path.optional().describe('File with the seed of an nkey (SU...)'),
  inboxPrefix: z
    .string()
    .regex(/^[^\s.*>$]+(\.[^\s.*>]+)*$/, { error: 'must be a subject without wildcards, such as _INBOX.client' })
    .or(z.string().regex(/^\$\{\w+\}$/))
    .optional()
    .describe('First tokens of inboxes, for users who may read only one prefix'),
  replicas: z
    .int()
    .min(1)
    .max(5)
    .default(1)
    .describe('Copies of the plans and the lease in a NATS cluster: with 3 servers, 3 copies survive the loss of one'),
  tls: tls.optional().describe('TLS; {} trusts the system authorities'),
});

/** NATS measures this time, so the limits of our timers do not apply. */
const forEver = durationUpTo(3_650 * DAY_MS).or(z.literal('never'));

const durable = z.strictObject({
  maxRequests: z.int().min(1).default(100_000).describe('Maximum number of stored requests; more are refused'),
  maxBytes: bytes
    .default(256 * 2 ** 20)
    .describe('Maximum size of all stored requests; the same limit applies to answers and to dead letters'),
  maxAge: forEver
    .default('never')
    .describe('NATS drops requests of this age without an answer (1h, or milliseconds); never: keep them all'),
  maxDeliver: z
    .int()
    .min(1)
    .max(1_000)
    .default(20)
    .describe('Attempts, including crashes, before a request becomes a dead letter; they are 100 ms to 30 s apart'),
  ackWait: duration
    .default(10_000)
    .describe('A request whose frontend has died goes to another one after this time (10s, or milliseconds)'),
  inFlight: z
    .int()
    .min(1)
    .max(50_000)
    .default(512)
    .describe('Requests in progress at once over all frontends, including those that wait for another attempt'),
  keepAnswers: forEver
    .default(3_600_000)
    .describe(
      'How long to keep answers on the results subjects for clients that were away (1h, or milliseconds); never: only publish them',
    ),
  storage: z.enum(['file', 'memory']).default('file').describe('Where NATS stores requests; memory does not survive a restart'),
  replicas: z.int().min(1).max(5).default(1).describe('Servers of a NATS cluster that keep a copy: 1, 3 or 5'),
});

const drift = z.strictObject({
  qpsBound: z
    .number()
    .gt(0)
    .max(1)
    .default(0.3)
    .describe('The load has drifted when at least this share of the seconds has a different load than planned'),
  certaintyBound: z
    .number()
    .gt(0)
    .max(1)
    .default(0.1)
    .describe('A model drifts when at least this share of its answers has a different certainty than on the validation samples'),
  minSamples: z
    .int()
    .min(5)
    .default(1_000)
    .describe('Minimum number of seconds with requests, or of samples of a model, before anything is reported'),
  replan: z
    .enum(['never', 'auto'])
    .default('never')
    .describe('auto: when the load has drifted, plan for the measured load on the controller’s host and put that plan in force'),
  replanInterval: duration.default(3_600_000).describe('Minimum time between two automatic plans (1h, or milliseconds)'),
});

const audit = z.strictObject({
  share: z
    .number()
    .gt(0)
    .max(1)
    .default(0.1)
    .describe(
      'Audits per answer: this share of all answers, drawn at random from those of other models, also goes to the most accurate model',
    ),
  utilisation: z
    .number()
    .gt(0)
    .max(1)
    .default(0.7)
    .describe(
      'A device audits only while its queues are empty, it was busy for less than this share of the last second, and nobody else uses its cores',
    ),
  bound: z
    .number()
    .gt(0)
    .max(1)
    .default(0.01)
    .describe(
      'Report a loss when disagreement with the most accurate model rises, or estimated accuracy falls, by more than this compared with the validation samples',
    ),
  minSamples: z
    .int()
    .min(30)
    .default(200)
    .describe('Minimum number of compared answers before a report; fewer if the most accurate model gives many itself'),
});

const deadlines = z
  .strictObject({
    default: durationUpTo(DEADLINE_MAX_MS)
      .optional()
      .describe('Deadline of requests that name none (30s, or milliseconds); default: as for `deadline`, but at most max'),
    max: durationUpTo(DEADLINE_MAX_MS)
      .default(DEADLINE_MAX_MS)
      .describe('Longest deadline: longer ones are shortened to this (10s, or milliseconds)'),
  })
  .refine((value) => value.default === undefined || value.default <= value.max, {
    error: 'has a default that is longer than its max; write for example { default: 2s, max: 10s }',
    when: isMapping,
  });

export const deploymentSchema = z
  .strictObject({
    name: name.describe('Name of the deployment; part of NATS subjects'),
    models: z.array(model).min(1).optional().describe('The family of models, in any order: `profile` orders it by measured time'),
    synthetic: synthetic.optional().describe('A made-up family instead of models and data, for emulated devices'),
    task: z
      .enum(TASKS)
      .default('classification')
      .describe(
        'What the models do: classification (one of several classes), binary (class 0 or 1, one or two columns), multi-label (any number of labels, labels are a 0/1 matrix), regression (values), or custom (anything; see data.quality)',
      ),
    output: outputName
      .optional()
      .describe('Model output that holds the scores or values; default: chosen by type, shape, name and number of classes'),
    certainty: certainty
      .default('margin')
      .describe('Certainty of a prediction: an estimator, a model output, or the spread of an ensemble'),
    tolerance: z
      .number()
      .nonnegative()
      .optional()
      .describe('For task regression, in the unit of the values: an answer this close to the true value is right'),
    scores: z
      .enum(SCORE_KINDS)
      .default('logits')
      .describe('What the models output: logits (softmax is applied when an estimator needs probabilities) or probabilities'),
    inputs: z.record(z.string(), input).default({}).describe('Settings per model input'),
    classes: z
      .array(z.union([z.string().min(1), z.int().transform(String)]))
      .min(2)
      .refine((names) => new Set(names).size === names.length, {
        error: (issue) => `${shown(issue.input)} names a class twice; each class needs its own name`,
      })
      .optional()
      .describe('Class names, in the order of the scores; default: taken from the model, or from labels that are names'),
    data: data.optional().describe('Labelled samples'),
    devices: z.array(device).min(1).describe('Devices that run inference'),
    slo: slo.describe('Service level objective: { p95 } or { accuracy }'),
    load: load.describe('The load to plan for'),
    nats: nats
      .prefault({})
      .describe(
        `Connection to NATS; as anywhere in this file, \${NAME} stands for the environment variable NAME (also for a number), and $\${NAME} for the text \${NAME} itself`,
      ),
    frontends: z
      .int()
      .min(1)
      .max(256)
      .or(z.literal('in-devices'))
      .default(1)
      .describe(
        'Number of frontend processes that `serve` starts on one machine; in-devices: none, each device process accepts requests itself, which saves a hop',
      ),
    prefix: name.default('cascade').describe('First token of all NATS subjects'),
    deadline: durationUpTo(DEADLINE_MAX_MS)
      .or(deadlines)
      .optional()
      .describe(
        'Every request without a deadline of its own is answered within this time (30s, or milliseconds, or { default, max }). ' +
          'Default: 10 times the p95 of the SLO, but at least 1.5s, which outlasts the loss of a device, and at most 30s; 30s under an accuracy SLO',
      ),
    prepareTimeout: durationUpTo(DAY_MS)
      .default(60_000)
      .describe('How long devices may take to load what is new in a plan before the change is aborted (60s, or milliseconds)'),
    alpha: z
      .number()
      .nonnegative()
      .default(DEFAULT_GEAR_RULE.alpha)
      .describe('Hysteresis: no shift to a lower-load gear while qps < alpha * first queue (per second)'),
    backlogDrain: duration
      .or(z.literal('never'))
      .optional()
      .describe(
        'Requests queued beyond what the plan expects count as the load that would clear them in this time (50ms); never: only arrivals count, as in the paper; default: half the p95 of a latency SLO, else 500ms',
      ),
    durable: durable
      .optional()
      .describe(
        'Also accept requests through a JetStream work queue: requests that NATS acknowledged are answered whatever crashes; {} for the defaults',
      ),
    loadWindow: duration
      .refine((ms) => ms >= LOAD_INTERVAL_MS && ms <= LONGEST_WINDOW_MS, {
        error: (issue) => `${shown(issue.input)} ms is not from ${LOAD_INTERVAL_MS} ms to ${LONGEST_WINDOW_MS} ms, such as 3s`,
      })
      .default(DEFAULT_GEAR_RULE.windowMs)
      .describe(
        'Longest time over which the load is measured: longer is more precise unless the load changes (3s; 100ms in the paper)',
      ),
    settle: duration
      .or(z.literal('none'))
      .default(DEFAULT_GEAR_RULE.settleMs)
      .describe('A lower-load gear must have sufficed for this long before it is chosen (2s; none in the paper)'),
    measuredSpeed: z
      .boolean()
      .default(DEFAULT_GEAR_RULE.measuredSpeed)
      .describe('Reduce the load a gear may carry when its devices are measured to be slower than profiled (false in the paper)'),
    noiseBand: z
      .number()
      .min(0)
      .max(10)
      .default(DEFAULT_GEAR_RULE.noiseBand)
      .describe('The load must be outside the gear’s range by this many standard deviations of counting noise (0 in the paper)'),
    audit: audit
      .optional()
      .describe(
        'In spare time, ask the most accurate model about a share of the other models’ answers, which shows a loss of accuracy without labels; {} for the defaults',
      ),
    drift: drift.prefault({}).describe('When load or certainties count as different from what was planned, and what to do then'),
  })
  .refine((value) => (value.models === undefined) !== (value.synthetic === undefined), {
    path: ['models'],
    error: 'must hold exactly one of models, a list such as [{ name: cnn, file: cnn.onnx }], and synthetic',
  })
  .describe('A CascadeServe deployment');

export type DeploymentYaml = z.output<typeof deploymentSchema>;
