import { ConfigError } from '../../../engine/errors.ts';

/**
 * `${NAME}` in a setting: for values that must not be in a file, or that differ between processes. `$${NAME}` stands for the
 * characters `${NAME}` themselves.
 */
const VARIABLE = /(\$?)\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;
const ONE_VARIABLE = /^\s*\$\{[A-Za-z_][A-Za-z0-9_]*\}\s*$/;

type Environment = Readonly<Record<string, string | undefined>>;

/** Expands the environment variables in a setting, and returns the names of those that are not set. */
export function expandVariables(text: string, environment: Environment = process.env): { text: string; unset: string[] } {
  const unset: string[] = [];
  const expanded = text.replace(VARIABLE, (written: string, dollar: string, name: string) => {
    if (dollar !== '') return written.slice(1);
    const value = environment[name];
    if (value === undefined) unset.push(name);
    return value ?? written;
  });
  return { text: expanded, unset };
}

/** Whether a setting is one variable and nothing else. */
export function isVariable(text: string): boolean {
  return ONE_VARIABLE.test(text);
}

/** The value with its strings written so that expanding them gives them back. */
export function escapeVariables<T>(value: T): T {
  return escaped(value) as T;
}

function escaped(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(VARIABLE, (_, dollar: string, name: string) => `${dollar}$\${${name}}`);
  if (Array.isArray(value)) return value.map(escaped);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, escaped(item)]));
}

/** Message about the first variable that is not set. */
export function unsetVariable([name]: readonly string[]): string {
  return `the environment variable ${name} is not set; set it, or write the value`;
}

/**
 * Expands the environment variables in a setting.
 * @throws ConfigError naming the field and the variable when one is not set.
 */
export function fromEnvironment<T extends string | undefined>(
  field: string,
  written: T,
  environment: Environment = process.env,
): T {
  if (written === undefined) return written;
  const { text, unset } = expandVariables(written, environment);
  if (unset.length > 0) throw new ConfigError(`${field}: ${unsetVariable(unset)}`);
  return text as T;
}
