import { basename, relative, resolve } from 'node:path';
import { FOREIGN, fileProblem } from '../../engine/backend/file-kind.ts';
import { familyInputs } from '../../engine/backend/model-interface.ts';
import { ConfigError, messageOf } from '../../engine/errors.ts';
import { headOf } from '../../engine/read-file.ts';
import type { TensorSpec } from '../../engine/tensor/tensor.ts';
import { describeArray } from '../data/fit-array.ts';
import { escapeVariables } from '../domain/deployment/from-environment.ts';
import { chooseOptions, haveOneColumn, type Options } from './choose-options.ts';
import { knownClasses } from './class-names.ts';
import { commentedYaml, type Section } from './commented-yaml.ts';
import { type FoundData, findData } from './find-data.ts';
import { type FoundModel, findModels, token } from './find-models.ts';
import { filesIn } from './folder-files.ts';
import { localDevices } from './local-devices.ts';
import { moreOptions } from './more-options.ts';
import { PassedOver } from './passed-over.ts';
import { tryModels } from './try-models.ts';

/** Of the drafted SLO. */
const P95_MS = 100;
/** Most reasons that a message lists. */
const MAX_REASONS = 8;

const REMOTE_HINT = [
  'A server with models (Triton, MLServer, KServe) is a device, too: - { id: triton, kind: remote, url: "http://HOST:8000" },',
  'and a model that it has says `remote: NAME`. See docs/remote-devices.md.',
];

/** A deployment file for the contents of a folder, and what its author should know. */
export interface Draft {
  readonly yaml: string;
  /** What was chosen and why, and what is left to do. */
  readonly notes: readonly string[];
  /** Files that were not used, and why. */
  readonly passedOver: readonly string[];
}

/**
 * Drafts a deployment: models are the ONNX files that take the same inputs, data are files that fit them, and there is one device per
 * core except the first. The file and the notes explain every choice.
 * @param trial runs the models on some samples.
 * @throws ConfigError when there are no models that can be served.
 */
export async function draftDeployment(dir: string, trial = tryModels): Promise<Draft> {
  const root = resolve(dir);
  const files = filesIn(root);
  const passedOver = new PassedOver(root);
  const models = findModels(root, files, passedOver);
  if (models.length === 0) throw new ConfigError(noModels(dir, files, passedOver));
  const specs = familyInputs(models);
  const path = (file: string): string => relative(root, file);
  const classes = knownClasses(models, path);
  const { found, misfits } = findData(files, specs, { classes: classes?.names, oneColumn: haveOneColumn(models) }, passedOver);
  const options = await chooseOptions(models, specs, found, classes, trial);
  const sections: Section[] = [
    { comments: ['Written by `cascade init`: a guess, please check it.'], value: { name: token(basename(root)) } },
    modelsSection(models, options, path),
    ...options.sections,
    dataSection(specs, found, misfits, files, passedOver),
    {
      comments: ['One device per core but the first, which is left to the frontend.', ...REMOTE_HINT],
      value: { devices: localDevices() },
    },
    {
      comments: ['Your requirements: a latency SLO, or { accuracy: 0.9 }; and the highest load to plan for.'],
      value: { slo: { p95: `${P95_MS}ms` }, load: { qpsMax: 1000, ranges: 16, distribution: { zipf: 1 } } },
    },
  ];
  const told = [sections[1], ...options.sections, sections[sections.length - 3]];
  const notes = told.flatMap(({ comments }) => comments);
  return {
    yaml: `${commentedYaml(sections.map(({ comments, value }) => ({ comments, value: escapeVariables(value) })))}\n${moreOptions(new Set(sections.flatMap(({ value }) => Object.keys(value))), P95_MS)}`,
    notes: [...notes, 'Set slo and load to your requirements.'],
    passedOver: passedOver.lines(),
  };
}

function modelsSection(models: readonly FoundModel[], options: Options, path: (file: string) => string): Section {
  const comments = models.length === 1 ? [] : ['Smallest first; `cascade profile` orders them by measured time.'];
  const fixed = models.filter(({ fixedBatch }) => fixedBatch !== undefined);
  if (fixed.length > 0) {
    comments.push(
      `The graph of ${fixed.map(({ name }) => name).join(' and ')} has a fixed batch size; with a dynamic one, requests could share batches.`,
    );
  }
  if (models.some(({ renamed }) => renamed !== undefined)) {
    comments.push('`inputs` of a model: its own name -> the name in the other models.');
  }
  if (models.some(({ triton }) => triton?.maxBatch !== undefined))
    comments.push('`maxBatch` is `max_batch_size` of config.pbtxt.');
  const value = models.map(({ name, file, fixedBatch, renamed, triton }, m) => {
    const maxBatch = fixedBatch ?? triton?.maxBatch;
    return {
      name,
      file: path(file),
      ...(maxBatch === undefined ? {} : { maxBatch: Math.min(maxBatch, 4096) }),
      ...(renamed === undefined ? {} : { inputs: renamed }),
      ...options.models[m],
    };
  });
  return { comments, value: { models: value } };
}

function dataSection(
  specs: readonly TensorSpec[],
  found: FoundData | undefined,
  misfits: readonly string[],
  files: readonly string[],
  passedOver: PassedOver,
): Section {
  if (found === undefined) {
    const wanted = specs.map((spec) => `${spec.name}: FILE.npy`).join(', ');
    const reasons = [...misfits, ...foreign(files, passedOver)];
    const more = reasons.length > MAX_REASONS ? [`and ${reasons.length - MAX_REASONS} more`] : [];
    const why = reasons.length === 0 ? [] : [`Candidates: ${[...reasons.slice(0, MAX_REASONS), ...more].join('; ')}.`];
    const takes = specs.map((spec) => `${spec.name} ${describeArray(spec)}`).join(', ');
    return {
      comments: [
        `Found no data that fit the models, which need ${takes}; add \`data: { inputs: { ${wanted} }, labels: LABELS.npy }\`.`,
        ...why,
      ],
      value: {},
    };
  }
  const { inputs, labels } = found.data;
  const shown = (file: string): string => passedOver.name(file);
  const value = {
    inputs:
      typeof inputs === 'string'
        ? shown(inputs)
        : Object.fromEntries(Object.entries(inputs).map(([name, file]) => [name, shown(file)])),
    ...(labels === undefined ? {} : { labels: shown(labels) }),
  };
  const size = `${found.samples.columns[0].count} samples${found.samples.targets === undefined ? '' : ' with labels'}`;
  const missing =
    found.samples.targets === undefined ? ['Found no labels; add `labels: FILE.npy` to data: `cascade profile` needs them.'] : [];
  return {
    comments: [
      `${size}; half of them, drawn at random, are used for planning, and the rest for load tests.`,
      ...found.notes.map(sentence),
      ...missing,
    ],
    value: { data: { ...value, validation: 0.5 } },
  };
}

function sentence(note: string): string {
  return `${note}.`;
}

/** Files of other tools that the user may have meant. */
function foreign(files: readonly string[], passedOver: PassedOver): readonly string[] {
  return files.flatMap((file) => {
    const problem = FOREIGN.test(file) ? foreignProblem(file) : undefined;
    return problem === undefined ? [] : [`${passedOver.name(file)} ${problem}`];
  });
}

function foreignProblem(file: string): string | undefined {
  try {
    return fileProblem(file, headOf(file));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return messageOf(error).slice(file.length + 1);
  }
}

function noModels(dir: string, files: readonly string[], passedOver: PassedOver): string {
  const reasons = [...passedOver.lines(), ...foreign(files, passedOver)];
  const shown = [
    ...reasons.slice(0, MAX_REASONS),
    ...(reasons.length > MAX_REASONS ? [`and ${reasons.length - MAX_REASONS} more`] : []),
  ];
  const holds = files.some((file) => /\.onnx$/i.test(file))
    ? 'holds no .onnx file that can be served'
    : 'holds no .onnx files (looked there and in its subfolders)';
  return `${dir}: ${holds}${shown.map((reason) => `\n  - ${reason}`).join('')}`;
}
