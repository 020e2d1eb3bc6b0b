import { distance } from 'fastest-levenshtein';
import { type Document, isAlias, isMap, isNode, isSeq, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { ConfigError, messageOf } from '../../../engine/errors.ts';
import { expandVariables, isVariable, unsetVariable } from './from-environment.ts';
import { kindOf, shown as shownWhole } from './shown.ts';
import { SoundPart } from './sound-part.ts';

type Path = readonly PropertyKey[];

/** Something wrong at one place in a YAML file. */
export interface Problem {
  readonly path: Path;
  readonly message: string;
  /** Point at the key, not at its value. */
  readonly atKey?: boolean;
}

/** A YAML file checked against a schema. It still knows the position of each value. */
export interface CheckedYaml<T> {
  /** Without the parts that have problems; undefined if too little is left. */
  readonly value: T | undefined;
  readonly problems: readonly Problem[];
  /** One line `file:line:col path: message` per problem; paths are those of `value`. */
  describe(problems: readonly Problem[]): string[];
}

/**
 * Parses YAML, expands environment variables, and checks the result against a schema.
 * @param file what to call the file in messages.
 * @param secretKey values under this key are never shown, and keep their variables until they are used.
 * @param standIns values for missing required keys, so that the rest of the file can still be checked.
 * @throws ConfigError with one line `file:line:col message` per problem when it is not YAML.
 */
export function checkYaml<S extends z.ZodType>(
  text: string,
  file: string,
  schema: S,
  secretKey: string,
  standIns: Readonly<Record<string, unknown>>,
): CheckedYaml<z.output<S>> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  if (document.errors.length > 0) {
    throw new ConfigError(document.errors.map((e) => `${at(e.pos[0])} not valid YAML: ${e.message}`).join('\n'));
  }
  const written = plainOf(document, file);
  const problems: Problem[] = [];
  const found: Found = { unset: problems, scalars: [] };
  const plain = withScalars(
    schema,
    withVariables(written, [], (path) => path[0] === secretKey, found),
    found.scalars,
  );
  const checked: Checked = { plain, root: jsonSchemaOf(schema), secretKey };
  const sound = new SoundPart(plain, standIns);
  // From the end, because removing a list item shifts those after it.
  for (const { path } of problems.toReversed()) sound.remove(path);
  let result = schema.safeParse(plain, { reportInput: true });
  if (!result.success) {
    const told = new Set(problems.map(({ path }) => pathText(path)));
    const issues = result.error.issues.filter(({ path }) => !told.has(pathText(path)));
    for (const problem of issues.flatMap((issue) => problemsOf(issue, checked))) problems.push(problem);
  }
  if (problems.length > 0) result = sound.parse(schema);
  const line = (p: Problem) => `${at(offsetOf(p))} ${p.path.length === 0 ? '' : `${pathText(p.path)}: `}${p.message}`;
  return {
    value: result.success ? (result.data as z.output<S>) : undefined,
    problems,
    describe: (more) => [...new Set([...problems, ...more.map((p) => ({ ...p, path: sound.pathInFile(p.path) }))].map(line))],
  };

  /** Where the value stands, or the innermost one around it that is written. */
  function offsetOf({ path, atKey }: Problem): number {
    let node: unknown = document.contents;
    let offset = document.contents?.range?.[0] ?? 0;
    path.forEach((step, depth) => {
      const holder = isAlias(node) ? node.resolve(document) : node;
      const pair = isMap(holder) ? holder.items.find(({ key }) => String(key) === String(step)) : undefined;
      node = pair === undefined ? isSeq(holder) && holder.get(Number(step), true) : pair.value;
      const shown = isNode(node) && !(atKey && depth === path.length - 1) ? node : pair?.key;
      if (isNode(shown)) offset = shown.range?.[0] ?? offset;
    });
    return offset;
  }
}

/** @throws ConfigError for aliases that are unknown, circular, or expand to too much. */
function plainOf(document: Document, file: string): unknown {
  try {
    const plain: unknown = document.toJS();
    JSON.stringify(plain);
    return plain;
  } catch (error) {
    throw new ConfigError(`${file} not valid YAML: an alias (*name) cannot be resolved: ${messageOf(error).split('\n', 1)[0]}`);
  }
}

/** What was found when variables were expanded. */
interface Found {
  readonly unset: Problem[];
  /** Strings that were a variable and nothing else, and whose text reads as a number, true or false. */
  readonly scalars: { readonly path: Path; readonly value: number | boolean }[];
}

/** The value with environment variables expanded in its strings. */
function withVariables(value: unknown, path: Path, isSecret: (path: Path) => boolean, found: Found): unknown {
  if (isSecret(path)) return value;
  if (typeof value === 'string') {
    const { text, unset } = expandVariables(value);
    if (unset.length > 0) found.unset.push({ path, message: unsetVariable(unset) });
    const scalar = isVariable(value) ? scalarOf(text.trim()) : undefined;
    if (scalar !== undefined) found.scalars.push({ path, value: scalar });
    return text;
  }
  if (Array.isArray(value)) return value.map((item, i) => withVariables(item, [...path, i], isSecret, found));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, withVariables(item, [...path, key], isSecret, found)]),
  );
}

const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;

function scalarOf(text: string): number | boolean | undefined {
  if (NUMBER.test(text)) return Number(text);
  return text === 'true' || text === 'false' ? text === 'true' : undefined;
}

/** A variable is text, unless the schema refuses that: a name may be `007`. */
function withScalars(schema: z.ZodType, plain: unknown, scalars: Found['scalars']): unknown {
  if (scalars.length === 0) return plain;
  const issuesIn = (value: unknown): readonly z.core.$ZodIssue[] => schema.safeParse(value).error?.issues ?? [];
  let best = plain;
  for (const { path } of issuesIn(plain)) {
    const refused = scalars.filter((scalar) => path.every((step, i) => scalar.path[i] === step));
    // Where several forms are allowed, the issue is that of the whole list or mapping.
    const isWhole = refused.some((scalar) => scalar.path.length > path.length);
    for (const some of isWhole ? [refused, ...refused.map((scalar) => [scalar])] : [refused]) {
      const tried = some.reduce((value, scalar) => replaced(value, scalar.path, scalar.value), best);
      const left = issuesIn(tried);
      const isText = left.some(
        (issue) => issue.code === 'invalid_type' && issue.expected === 'string' && pathText(issue.path) === pathText(path),
      );
      if (isWhole ? left.length < issuesIn(best).length : !isText) best = tried;
    }
  }
  return best;
}

function replaced(value: unknown, [step, ...rest]: Path, by: unknown): unknown {
  if (step === undefined) return by;
  if (Array.isArray(value)) return value.map((item, i) => (i === step ? replaced(item, rest, by) : item));
  const map = value as Readonly<Record<PropertyKey, unknown>>;
  return { ...map, [step]: replaced(map[step], rest, by) };
}

/** `models[2].file` */
function pathText(path: Path): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i === 0 ? '' : '.'}${String(step)}`)).join('');
}

/** One line `path: message` per problem of a JSON file, up to a limit. */
export function describeIssues(schema: z.ZodType, plain: unknown, error: z.ZodError): string {
  const checked: Checked = { plain, root: jsonSchemaOf(schema), secretKey: '' };
  const lines = error.issues.flatMap((issue) => problemsOf(issue, checked)).map((p) => `  ${pathText(p.path)}: ${p.message}`);
  const more = lines.length > SHOWN_ISSUES ? [`  and ${lines.length - SHOWN_ISSUES} more`] : [];
  return [...lines.slice(0, SHOWN_ISSUES), ...more].join('\n');
}

/** A page of problems would hide what to do. */
const SHOWN_ISSUES = 5;

/** zod's message for a union without one of its own. */
const NO_BRANCH_FITS = 'Invalid input';

interface JsonSchema {
  readonly description?: string;
  readonly type?: string;
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

/** The schema as data, to look up known keys and descriptions for messages. */
function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, { io: 'input' }) as JsonSchema;
}

/** The input for describing a problem. */
interface Checked {
  readonly plain: unknown;
  readonly root: JsonSchema;
  readonly secretKey: string;
}

function problemsOf(issue: z.core.$ZodIssue, checked: Checked): Problem[] {
  const { plain, root, secretKey } = checked;
  const { path } = issue;
  const shown = path[0] === secretKey ? kindOf : shownWhole;
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(lookUp(root, plain, path)?.properties ?? {});
    return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(key, known), atKey: true }));
  }
  const value = valueAt(plain, path);
  if (value === null && path.length === 0) return [{ path, message: 'the file is empty; `cascade init` drafts one' }];
  const meaning = lookUp(root, plain, path)?.description;
  const right = meaning === undefined ? '' : ` (${meaning})`;
  if (value === undefined && path.length > 0) return [{ path, message: `is missing${right}` }];
  switch (issue.code) {
    case 'invalid_type':
      return [{ path, message: `${shown(value)} is not ${article(issue.expected)}${right}` }];
    case 'too_small':
      return [
        { path, message: `${shown(value)} is too small; ${bound(issue.inclusive, 'least', 'above')} ${issue.minimum}${right}` },
      ];
    case 'too_big':
      return [
        { path, message: `${shown(value)} is too large; ${bound(issue.inclusive, 'most', 'below')} ${issue.maximum}${right}` },
      ];
    case 'invalid_value':
      return [{ path, message: `${shown(value)} is not one of ${issue.values.map(String).join(', ')}${right}` }];
    case 'invalid_union':
      // A discriminated union lists its constants, which the installed types do not know yet.
      if ('options' in issue && Array.isArray(issue.options))
        return [{ path, message: `${shown(value)} is not one of ${issue.options.map(String).join(', ')}${right}` }];
      return issue.message === NO_BRANCH_FITS ? [problemOfUnion(issue, checked)] : [{ path, message: issue.message }];
    default:
      return [{ path, message: issue.message }];
  }
}

/** For example a number or a word: says what is wrong with it as a number, and lists the words. */
function problemOfUnion({ path, errors }: z.core.$ZodIssueInvalidUnion, checked: Checked): Problem {
  const branches = errors.flatMap(([first]) => (first === undefined ? [] : [{ ...first, path: [...path, ...first.path] }]));
  const words = branches.flatMap((branch) => (branch.code === 'invalid_value' ? branch.values.map(String) : []));
  const other = branches.find(({ code }) => code !== 'invalid_value') ?? branches[0];
  const [problem] = problemsOf(other, checked);
  if (words.length === 0 || other.code === 'invalid_value') return problem;
  return { ...problem, message: `${problem.message}; or write ${words.join(' or ')}` };
}

function bound(inclusive: boolean | undefined, at: string, beyond: string): string {
  return inclusive === false ? `must be ${beyond}` : `must be at ${at}`;
}

function article(type: string): string {
  if (type === 'int') return 'a whole number';
  if (type === 'object' || type === 'record') return 'a mapping of keys to values';
  if (type === 'array') return 'a list';
  return `a ${type}`;
}

function unknownKey(key: string, known: readonly string[]): string {
  const close = closest(key, known);
  return `unknown key; ${close === undefined ? '' : `did you mean ${close}? `}known here: ${known.join(', ')}`;
}

/** The known word closest to a mistyped one; undefined when none is close. */
function closest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let fewestEdits = Math.max(2, Math.floor(word.length / 2));
  for (const candidate of known) {
    const [a, b] = [word.toLowerCase(), candidate.toLowerCase()];
    // A unit in the name (`deadlineMs`) is the usual slip, so a common prefix counts as close.
    const edits = a.startsWith(b) || b.startsWith(a) ? 1 : distance(a, b);
    if (edits < fewestEdits) {
      best = candidate;
      fewestEdits = edits;
    }
  }
  return best;
}

/** The part of the schema that describes the value at `path`; among alternatives, the one whose constants match the value. */
function lookUp(root: JsonSchema, plain: unknown, path: Path): JsonSchema | undefined {
  let schema: JsonSchema | undefined = choose(root, plain);
  let value = plain;
  for (const step of path) {
    value = valueAt(value, [step]);
    const next: JsonSchema | boolean | undefined =
      typeof step === 'number' ? schema?.items : (schema?.properties?.[String(step)] ?? schema?.additionalProperties);
    schema = typeof next === 'object' ? choose(next, value) : undefined;
  }
  return schema;
}

function choose(schema: JsonSchema, value: unknown): JsonSchema {
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives === undefined || typeof value !== 'object' || value === null) return schema;
  const fits = (one: JsonSchema): boolean =>
    one.properties !== undefined &&
    Object.entries(one.properties).every(([key, p]) => p.const === undefined || p.const === valueAt(value, [key]));
  return alternatives.find(fits) ?? schema;
}

function valueAt(value: unknown, path: Path): unknown {
  let at: unknown = value;
  for (const step of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined;
    at = (at as Record<PropertyKey, unknown>)[step];
  }
  return at;
}
