import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { ConfigError, messageOf } from '../../../engine/errors.ts';
import { DTYPE_NAMES } from '../../../engine/tensor/tensor.ts';
import { padProblem } from '../../../engine/tensor/tensor-values.ts';
import { writeWhole } from '../../../engine/write-file.ts';
import { decodeWarmUp, encodeWarmUp, warmUpSchema } from '../../profiling/warm-up.ts';
import { describeIssues } from '../deployment/yaml-problems.ts';
import type { Profile } from './profile.ts';
import { plainCurve, runtimeCurveSchema } from './runtime-curve-schema.ts';

/** profile.json: readable JSON, except that per-sample arrays are base64 of little-endian values. */

const base64 = <T extends Int32Array | Float32Array>(key: string, decode: (bytes: Uint8Array<ArrayBuffer>) => T) =>
  z.strictObject({ [key]: z.base64() }).transform((value, context) => {
    const bytes = Uint8Array.from(Buffer.from(value[key] as string, 'base64'));
    if (bytes.length % 4 === 0) return decode(bytes);
    context.addIssue(`holds ${bytes.length} bytes, not a multiple of 4`);
    return z.NEVER;
  });

const int32 = base64('int32', (bytes) => new Int32Array(bytes.buffer));
const float32 = base64('float32', (bytes) => new Float32Array(bytes.buffer));

const profileSchema = z.strictObject({
  schema: z.literal(2),
  deployment: z.string(),
  digest: z.string(),
  synthetic: z.boolean(),
  machine: z.string(),
  inputs: z.array(
    z.strictObject({
      name: z.string(),
      dtype: z.enum(DTYPE_NAMES),
      shape: z.array(z.int().positive().nullable()),
      pad: z.number().optional(),
      maxShape: z.array(z.int().positive()).optional(),
      nan: z.boolean().optional(),
    }),
  ),
  warmUp: warmUpSchema,
  classes: z.int().min(1),
  classNames: z.array(z.string()).optional(),
  // Named `company` in files.
  sizes: z
    .strictObject({ company: int32, size: int32 })
    .transform(({ company, size }) => ({ batchKey: company, size }))
    .optional(),
  split: z.string(),
  labels: int32,
  models: z
    .array(
      z.strictObject({
        name: z.string(),
        digest: z.string(),
        memoryBytes: z.number().positive(),
        runtimes: z.record(z.string(), runtimeCurveSchema),
        predictions: int32,
        certainties: float32,
        quality: float32,
        scores: float32.optional(),
        output: z.string().optional(),
        outputs: z.array(z.string()).optional(),
      }),
    )
    .min(1),
  overhead: z.strictObject({
    perBatchMs: z.number().nonnegative(),
    perRequestMs: z.number().nonnegative(),
    hopMs: z.number().nonnegative(),
  }),
});

/**
 * Reads a profile. `requireCurrent` says whether it matches the deployment as it is now.
 * @throws ConfigError that names the file and what to do.
 */
export function readProfile(path: string): Profile {
  if (!existsSync(path)) throw new ConfigError(`${path} does not exist; make it with \`cascade profile\``);
  let plain: unknown;
  try {
    plain = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ConfigError(`${path} is not a profile (${messageOf(error)}); run \`cascade profile\` again`);
  }
  const version = typeof plain === 'object' && plain !== null && 'schema' in plain ? plain.schema : undefined;
  if (version !== 2) {
    throw new ConfigError(`${path} has schema ${JSON.stringify(version)}; this version reads 2: run \`cascade profile\` again`);
  }
  const result = profileSchema.safeParse(plain, { reportInput: true });
  if (!result.success) {
    throw new ConfigError(
      `${path} is not a valid profile; run \`cascade profile\` again\n${describeIssues(profileSchema, plain, result.error)}`,
    );
  }
  const warmUp = decodeWarmUp(result.data.warmUp, result.data.inputs);
  if (warmUp === undefined)
    throw new ConfigError(`${path}: warmUp does not hold the models' inputs; run \`cascade profile\` again`);
  const profile: Profile = { ...result.data, warmUp };
  for (const model of profile.models) {
    const { predictions, certainties, quality } = model;
    if ([predictions, certainties, quality].some((values) => values.length !== profile.labels.length)) {
      throw new ConfigError(
        `${path}: model ${model.name} has ${predictions.length} predictions, ${certainties.length} certainties and ${quality.length} qualities for ${profile.labels.length} labels; run \`cascade profile\` again`,
      );
    }
  }
  const { sizes, labels } = profile;
  if (sizes !== undefined && [sizes.batchKey, sizes.size].some((values) => values.length !== labels.length))
    throw new ConfigError(`${path}: sizes are not of ${labels.length} samples; run \`cascade profile\` again`);
  const damaged = damagedField(profile);
  if (damaged !== undefined) throw new ConfigError(`${path}: ${damaged}; run \`cascade profile\` again`);
  return profile;
}

/** The first value in the arrays that no measurement can give. */
function damagedField({ classes, inputs, labels, models }: Profile): string | undefined {
  for (const input of inputs) {
    const problem = padProblem(input);
    if (problem !== undefined) return problem;
  }
  const names = models.map(({ name }) => name);
  const twice = names.find((name, m) => names.indexOf(name) !== m);
  if (twice !== undefined) return `models: ${twice} is there twice; expected each model once`;
  if (labels.length === 0) return 'labels: none; expected at least one validation sample';
  const stray = (field: string, values: Int32Array): string | undefined => {
    const i = values.findIndex((value) => value < 0 || value >= classes);
    return i === -1 ? undefined : `${field}[${i}] is ${values[i]}; the classes are 0 to ${classes - 1}`;
  };
  for (const { name, predictions, certainties, quality, scores, runtimes } of models) {
    if (Object.keys(runtimes).length === 0) return `runtimes of ${name}: none; expected those on at least one class of device`;
    if (scores !== undefined && (scores.length === 0 || scores.length % labels.length !== 0))
      return `scores of ${name} has ${scores.length} values; expected as many for each of ${labels.length} samples`;
    const unsure = certainties.findIndex((certainty) => Number.isNaN(certainty));
    if (unsure !== -1) return `certainties[${unsure}] of ${name} is not a number`;
    const outside = quality.findIndex((value) => !(value >= 0 && value <= 1));
    if (outside !== -1) return `quality[${outside}] of ${name} is ${quality[outside]}; expected 0 to 1`;
    const wrong = stray(`predictions of ${name}`, predictions);
    if (wrong !== undefined) return wrong;
  }
  return stray('labels', labels);
}

/** @throws ConfigError when it cannot be written. */
export function writeProfile(path: string, profile: Profile): void {
  const encode = (key: string, array: Int32Array | Float32Array) => ({
    [key]: Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('base64'),
  });
  const { correction, ...measured } = profile;
  if (correction !== undefined) throw new Error(`${path}: a corrected profile must not be written; write the measured one`);
  const plain: z.input<typeof profileSchema> = {
    ...measured,
    classNames: profile.classNames && [...profile.classNames],
    inputs: profile.inputs.map((input) => ({
      ...input,
      shape: [...input.shape],
      maxShape: input.maxShape && [...input.maxShape],
    })),
    warmUp: encodeWarmUp(profile.warmUp),
    sizes: profile.sizes && { company: encode('int32', profile.sizes.batchKey), size: encode('int32', profile.sizes.size) },
    labels: encode('int32', profile.labels),
    models: profile.models.map((model) => ({
      ...model,
      runtimes: Object.fromEntries(Object.entries(model.runtimes).map(([device, curve]) => [device, plainCurve(curve)])),
      predictions: encode('int32', model.predictions),
      certainties: encode('float32', model.certainties),
      quality: encode('float32', model.quality),
      scores: model.scores && encode('float32', model.scores),
      outputs: model.outputs && [...model.outputs],
    })),
  };
  writeWhole(path, `${JSON.stringify(plain, null, 2)}\n`);
}

export { profileIsCurrent, requireCurrent, requireSameSettings } from './profile-digest.ts';
