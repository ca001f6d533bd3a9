// The shop's rules: what an order is, when it is refused, and the page of a category.
// What asks the database is in shop-pg.js and bun/shop-sql.js.
import { readFileSync } from 'node:fs';

import ejs from 'ejs';

import { Refusal } from './refusal.js';
import { InvalidOrder } from './orders.js';

/** Connections to the database, the same number for every application. */
export const POOL_SIZE = 10;

export const VIEWS = new URL('views/', import.meta.url);

/** The largest values of an order. Ids are those of a column of type integer. */
export const BASKET_BOUNDS = { id: 2_147_483_647, lines: 10, quantity: 100 };

const page = ejs.compile(readFileSync(new URL('category.ejs', VIEWS), 'utf8'));

/** The page of a category as HTML, for servers that bring no templates. */
export function renderCategory(category, products) {
  return page({ category, products });
}

/** Throws InvalidOrder unless a parsed body is an order of the shop. */
export function validateBasket(basket) {
  requireFields(basket, 2);
  const { customer, lines } = basket;
  require(isInteger(customer, BASKET_BOUNDS.id));
  require(Array.isArray(lines) && lines.length >= 1 && lines.length <= BASKET_BOUNDS.lines);
  for (const line of lines) {
    requireFields(line, 2);
    require(isInteger(line.product, BASKET_BOUNDS.id));
    require(isInteger(line.quantity, BASKET_BOUNDS.quantity));
  }
  requireDistinct(basket);
}

/** Throws InvalidOrder if a product comes twice. */
export function requireDistinct({ lines }) {
  require(new Set(lines.map(({ product }) => product)).size === lines.length);
}

/** Throws a refusal unless the database has found the customer. */
export function requireCustomer(found) {
  if (!found) throw new Refusal(409, 'no such customer');
}

/**
 * The lines with their prices, in the order of their products. Throws a refusal for the
 * first product that is not there, or of which too few are.
 * @param {{ id: number, price_cents: number, stock: number }[]} products that were found
 */
export function priceLines({ lines }, products) {
  const byId = new Map(products.map((product) => [product.id, product]));
  return lines
    .toSorted((a, b) => a.product - b.product)
    .map(({ product, quantity }) => {
      const found = byId.get(product);
      if (found === undefined) throw new Refusal(409, 'no such product');
      if (found.stock < quantity) throw new Refusal(409, `product ${product} is out of stock`);
      return { product, quantity, unit_cents: found.price_cents };
    });
}

/** The answer to an order that was stored. */
export function confirm(order, customer, lines) {
  const total = lines.reduce((sum, line) => sum + line.quantity * line.unit_cents, 0);
  return { order, customer, lines, total_cents: total };
}

function require(holds) {
  if (!holds) throw new InvalidOrder();
}

function requireFields(value, count) {
  require(typeof value === 'object' && value !== null && Object.keys(value).length === count);
}

function isInteger(value, high) {
  return Number.isSafeInteger(value) && value >= 1 && value <= high;
}
