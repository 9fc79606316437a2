/** The options schema of a plugin, made strict, and its defaults. */

type SchemaNode = Readonly<Record<string, unknown>>;

const COMPOSED = ['$ref', 'allOf', 'anyOf', 'oneOf', 'if', 'patternProperties', 'additionalProperties', 'unevaluatedProperties'];

/** The schema with every plain object in it closed to unknown keys; of a plugin without options, one that takes none. */
export function closedSchema(schema: unknown): object {
  return { type: 'object', ...(close((schema ?? { properties: {} }) as SchemaNode) as object) };
}

function close(schema: unknown): unknown {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return schema;
  const node = schema as SchemaNode;
  const properties = node['properties'] as SchemaNode | undefined;
  return {
    ...node,
    ...(properties ? { properties: Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, close(value)])) } : {}),
    ...('items' in node ? { items: close(node['items']) } : {}),
    ...(properties && !COMPOSED.some((keyword) => keyword in node) ? { additionalProperties: false } : {}),
  };
}

/** A copy of the options in which absent ones have the defaults of the schema, at any depth. */
export function withDefaults(schema: unknown, options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return fill(schema as SchemaNode | undefined, structuredClone(options)) as Record<string, unknown>;
}

function fill(schema: SchemaNode | undefined, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => fill(schema?.['items'] as SchemaNode | undefined, item));
  const filled = value as Record<string, unknown>;
  for (const [key, property] of Object.entries((schema?.['properties'] ?? {}) as Record<string, SchemaNode>)) {
    if (!Object.hasOwn(filled, key) && property['default'] !== undefined) filled[key] = structuredClone(property['default']);
    else if (Object.hasOwn(filled, key)) filled[key] = fill(property, filled[key]);
  }
  return filled;
}
