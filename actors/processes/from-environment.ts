import { ConfigError } from '../../engine/errors.ts';

/** `${NAME}` in a setting, for what must not stand in a file or differs from process to process. */
const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/**
 * A setting with the values of the environment variables that it names.
 * @throws ConfigError naming field and variable when one is not set.
 */
export function fromEnvironment(
  field: string,
  text: string | undefined,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string | undefined {
  return text?.replace(VARIABLE, (_, name: string) => {
    const value = environment[name];
    if (value === undefined)
      throw new ConfigError(`${field}: the environment variable ${name} is not set; set it, or change ${field}`);
    return value;
  });
}
