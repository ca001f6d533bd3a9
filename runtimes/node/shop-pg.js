// The shop's database by pg: a pool of connections, and named statements, which are
// prepared once on each connection. Imported only where there is a database.
import process from 'node:process';

import pg from 'pg';

import { confirm, POOL_SIZE, priceLines, requireCustomer } from './shop.js';

const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  max: POOL_SIZE,
  allowExitOnIdle: true, // connections without a query do not keep a server from its end
});
// A connection that breaks while nothing uses it leaves the pool.
pool.on('error', (error) => console.error(error));

const statement = (name, text) => (values) => ({ name, text, values });

const PRODUCT = statement(
  'product',
  'SELECT id, sku, category_id AS category, name, price_cents, stock FROM products WHERE id = $1',
);
const CATEGORY = statement(
  'category',
  `SELECT id, sku, name, price_cents FROM products
   WHERE category_id = $1 ORDER BY price_cents, id LIMIT 20`,
);
const CUSTOMER = statement('customer', 'SELECT id FROM customers WHERE id = $1');
const LOCK = statement(
  'lock',
  'SELECT id, price_cents, stock FROM products WHERE id = ANY($1::int[]) ORDER BY id FOR UPDATE',
);
const TAKE = statement(
  'take',
  `UPDATE products SET stock = stock - taken.quantity
   FROM unnest($1::int[], $2::int[]) AS taken (id, quantity) WHERE products.id = taken.id`,
);
const ORDER = statement('order', 'INSERT INTO orders (customer_id) VALUES ($1) RETURNING id');
const LINES = statement(
  'lines',
  `INSERT INTO order_lines (order_id, line, product_id, quantity, unit_cents)
   SELECT $1, line, product, quantity, cents
   FROM unnest($2::int[], $3::int[], $4::int[]) WITH ORDINALITY AS l (product, quantity, cents, line)`,
);

export async function findProduct(id) {
  const { rows } = await pool.query(PRODUCT([id]));
  return rows[0];
}

export async function listCategory(category) {
  const { rows } = await pool.query(CATEGORY([category]));
  return rows;
}

/** Stores a valid order in one transaction, or refuses it. */
export async function placeOrder(basket) {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const answer = await store(client, basket);
    await client.query('COMMIT');
    client.release();
    return answer;
  } catch (error) {
    // A connection on which the transaction cannot be ended leaves the pool.
    await client.query('ROLLBACK').then(
      () => client.release(),
      (broken) => client.release(broken),
    );
    throw error;
  }
}

async function store(client, basket) {
  const { customer } = basket;
  const found = await client.query(CUSTOMER([customer]));
  requireCustomer(found.rowCount === 1);
  const { rows } = await client.query(LOCK([basket.lines.map((line) => line.product)]));
  const lines = priceLines(basket, rows);
  const products = lines.map((line) => line.product);
  const quantities = lines.map((line) => line.quantity);
  await client.query(TAKE([products, quantities]));
  const stored = await client.query(ORDER([customer]));
  const order = Number(stored.rows[0].id); // a bigint comes as text
  await client.query(LINES([order, products, quantities, lines.map((line) => line.unit_cents)]));
  return confirm(order, customer, lines);
}
