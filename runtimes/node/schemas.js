// JSON schemas of what Fastify takes in and gives out, and their validators.
import { Ajv } from 'ajv';

import { BOUNDS } from './orders.js';
import { WHOLE_NUMBER } from './parameters.js';

/** A whole number within bounds. */
export const integer = (minimum, maximum) => ({ type: 'integer', minimum, maximum });
const text = (minLength, maxLength) => ({ type: 'string', format: 'well-formed', minLength, maxLength });

/** An object of exactly these fields. */
export const exactly = (properties) => ({
  type: 'object',
  required: Object.keys(properties),
  additionalProperties: false,
  properties,
});

export const ORDER = exactly({
  id: integer(0, BOUNDS.id),
  customer: text(1, BOUNDS.customer),
  express: { type: 'boolean' },
  note: { ...text(0, BOUNDS.note), nullable: true },
  items: {
    type: 'array',
    minItems: 1,
    maxItems: BOUNDS.items,
    items: exactly({
      sku: text(1, BOUNDS.sku),
      quantity: integer(1, BOUNDS.quantity),
      unit_cents: integer(0, BOUNDS.unitCents),
    }),
  },
});

export const PRICED_ORDER = answer({
  id: { type: 'integer' },
  customer: { type: 'string' },
  express: { type: 'boolean' },
  note: { type: 'string', nullable: true },
  lines: {
    type: 'array',
    items: answer({ sku: { type: 'string' }, quantity: { type: 'integer' }, total_cents: { type: 'integer' } }),
  },
  items: { type: 'integer' },
  total_cents: { type: 'integer' },
});

/** An answer by the types of its fields, in the order in which they are written. */
export function answer(properties) {
  return { type: 'object', properties };
}

/**
 * A query by its parameters. They are checked in turn: one that is missing is
 * taken as empty, because a check of required would come before all others.
 */
export function query(parameters) {
  return {
    type: 'object',
    properties: Object.fromEntries(
      parameters.map(({ name, low, high }) => [
        name,
        { default: '', allOf: [{ type: 'string', pattern: WHOLE_NUMBER }, integer(low, high)] },
      ]),
    ),
  };
}

const queries = new Ajv({ coerceTypes: true, useDefaults: true });
const bodies = new Ajv({ formats: { 'well-formed': (value) => value.isWellFormed() } });

/** Only what comes as text is turned into numbers: a body's "1" is none. */
export function compileValidator({ schema, httpPart }) {
  return (httpPart === 'body' ? bodies : queries).compile(schema);
}
