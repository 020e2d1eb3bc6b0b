import { z } from 'zod';
import { deploymentSchema } from './schema.ts';

/** An option of a deployment file, for the reference page. */
export interface OptionReference {
  /** `models[].file`; `devices[](kind: cpu).cores`; `inputs.<name>.pad` */
  readonly path: string;
  /** `number or string`; `margin | entropy` */
  readonly type: string;
  readonly required: boolean;
  readonly defaultValue: unknown;
  readonly description: string | undefined;
}

type Schema = z.core.JSONSchema.JSONSchema;

/** JSON Schema of a deployment file, with every option. */
export function deploymentJsonSchema(): Schema {
  return z.toJSONSchema(deploymentSchema, {
    io: 'input',
    unrepresentable: 'any',
    // Zod omits defaults of transformed values. Ours are valid in the file too, in milliseconds and bytes.
    override: ({ zodSchema, jsonSchema }) => {
      const { def } = zodSchema._zod;
      if (def.type === 'default') jsonSchema.default = def.defaultValue;
    },
  });
}

/** Every option of a deployment file, in the order of the schema. */
export function deploymentReference(): OptionReference[] {
  return optionsOf(deploymentJsonSchema(), '');
}

function optionsOf(schema: Schema, path: string): OptionReference[] {
  const under = path === '' ? '' : `${path}.`;
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, value]) => {
    const option = value as Schema;
    const at = `${under}${name}`;
    const required = schema.required?.includes(name) === true;
    return [
      { path: at, type: typeOf(option), required, defaultValue: option.default, description: option.description },
      ...optionsOf(option, at),
    ];
  });
  const items = isSchema(schema.items) ? optionsOf(schema.items, `${path}[]`) : [];
  const entries = isSchema(schema.additionalProperties) ? optionsOf(schema.additionalProperties, `${under}<name>`) : [];
  const kinds = alternatives(schema).flatMap((other) => optionsOf(other, `${path}${kindOf(other)}`));
  return [...own, ...items, ...entries, ...kinds];
}

function typeOf(schema: Schema): string {
  if (schema.const !== undefined) return String(schema.const);
  if (schema.enum !== undefined) return schema.enum.join(' | ');
  const others = alternatives(schema);
  if (others.length > 0) return [...new Set(others.map(typeOf))].join(' or ');
  if (schema.type === 'array') return isSchema(schema.items) ? `list of ${typeOf(schema.items)}` : 'list';
  if (schema.type === 'object') return 'mapping';
  return [schema.type ?? 'anything'].flat().join(' or ');
}

function alternatives(schema: Schema): Schema[] {
  return [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].filter(isSchema);
}

/** Which kind of mapping an option belongs to, when there are several: `(kind: cpu)`. */
function kindOf({ properties = {} }: Schema): string {
  const [name, value] = Object.entries(properties).find(([, value]) => isSchema(value) && value.const !== undefined) ?? [];
  return name === undefined ? '' : `(${name}: ${(value as Schema).const})`;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
