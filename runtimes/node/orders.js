// What an order is and what becomes of it: the rule behind POST /echo.
import { isUtf8 } from 'node:buffer';

import { Refusal } from './refusal.js';

export const MAX_BODY_BYTES = 1_048_576;

/** The largest values of an order; lengths count code points. */
export const BOUNDS = {
  id: Number.MAX_SAFE_INTEGER,
  customer: 100,
  note: 500,
  items: 1_000,
  sku: 64,
  quantity: 1_000,
  unitCents: 10_000_000,
};

/** The body is not an order: it is no JSON, or JSON that breaks the rule. */
export class InvalidOrder extends Refusal {
  constructor() {
    super(400, 'not a valid order');
  }
}

/** @param {Buffer} body */
export function parseOrder(body) {
  // toString() would quietly replace what is not UTF-8.
  if (!isUtf8(body)) throw new InvalidOrder();
  try {
    return JSON.parse(body.toString());
  } catch {
    throw new InvalidOrder();
  }
}

/** Throws InvalidOrder unless a parsed body is an order. */
export function validateOrder(order) {
  requireFields(order, 5);
  const { id, customer, express, note, items } = order;
  require(isInteger(id, 0, BOUNDS.id));
  require(isText(customer, 1, BOUNDS.customer));
  require(typeof express === 'boolean');
  require(note === null || isText(note, 0, BOUNDS.note));
  require(Array.isArray(items) && items.length >= 1 && items.length <= BOUNDS.items);
  for (const item of items) {
    requireFields(item, 3);
    require(isText(item.sku, 1, BOUNDS.sku));
    require(isInteger(item.quantity, 1, BOUNDS.quantity));
    require(isInteger(item.unit_cents, 0, BOUNDS.unitCents));
  }
}

/** Prices the lines of a valid order. */
export function priceOrder({ id, customer, express, note, items }) {
  let orderTotal = 0;
  const lines = items.map(({ sku, quantity, unit_cents: unitCents }) => {
    const lineTotal = quantity * unitCents;
    orderTotal += lineTotal;
    return { sku, quantity, total_cents: lineTotal };
  });
  return { id, customer, express, note, lines, items: lines.length, total_cents: orderTotal };
}

function require(holds) {
  if (!holds) throw new InvalidOrder();
}

// With the right number of fields and each expected one of its own type, there
// is room for neither a missing nor an unknown field.
function requireFields(value, count) {
  require(typeof value === 'object' && value !== null && Object.keys(value).length === count);
}

function isInteger(value, low, high) {
  return Number.isSafeInteger(value) && value >= low && value <= high;
}

function isText(value, low, high) {
  return (
    typeof value === 'string' &&
    value.length >= low &&
    // Only what lies outside the BMP makes a string longer than its code points.
    (value.length <= high || (value.length <= 2 * high && codePoints(value) <= high)) &&
    value.isWellFormed()
  );
}

function codePoints(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
