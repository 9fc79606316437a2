/** Terms of the record's JSON Schema. */
export const headers = (description: string) =>
  ({
    type: 'array',
    description,
    items: { type: 'array', items: { type: 'string' }, minItems: 2, maxItems: 2 },
  }) as const;

export const text = (description: string) => ({ type: 'string', description }) as const;
export const textOrNull = (description: string) => ({ type: ['string', 'null'], description }) as const;
export const bytes = (description: string) => ({ type: 'integer', minimum: 0, description }) as const;
export const port = (description: string) => ({ type: 'integer', minimum: 0, maximum: 65535, description }) as const;
export const milliseconds = (description: string) => ({ type: ['number', 'null'], minimum: 0, description }) as const;
