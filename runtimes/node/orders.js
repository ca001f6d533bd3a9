// What an order is and what becomes of it: the rule behind POST /echo.
import { isUtf8 } from 'node:buffer';

export const MAX_BODY_BYTES = 1_048_576;

const MAX_ITEMS = 100;
const MAX_CUSTOMER = 100; // lengths count code points
const MAX_NOTE = 500;
const MAX_SKU = 64;
const MAX_QUANTITY = 1_000;
const MAX_UNIT_CENTS = 10_000_000;

/** The body is not an order: it is no JSON, or JSON that breaks the rule. */
export class InvalidOrder extends Error {}

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

/** Validates a parsed order and prices its lines. Throws InvalidOrder. */
export function priceOrder(order) {
  requireFields(order, 5);
  const { id, customer, express, note, items } = order;
  require(isInteger(id, 0, Number.MAX_SAFE_INTEGER));
  require(isText(customer, 1, MAX_CUSTOMER));
  require(typeof express === 'boolean');
  require(note === null || isText(note, 0, MAX_NOTE));
  require(Array.isArray(items) && items.length >= 1 && items.length <= MAX_ITEMS);

  let orderTotal = 0;
  const lines = items.map((item) => {
    requireFields(item, 3);
    const { sku, quantity, unit_cents: unitCents } = item;
    require(isText(sku, 1, MAX_SKU));
    require(isInteger(quantity, 1, MAX_QUANTITY));
    require(isInteger(unitCents, 0, MAX_UNIT_CENTS));
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
