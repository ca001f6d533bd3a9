// The shop's database by Bun's own client. Imported only where there is a database.
import { SQL } from 'bun';

import { confirm, POOL_SIZE, priceLines, requireCustomer } from '../shop.js';

const sql = new SQL(process.env.DATABASE_URL, { max: POOL_SIZE });

export async function findProduct(id) {
  const [product] = await sql`
    SELECT id, sku, category_id AS category, name, price_cents, stock FROM products WHERE id = ${id}`;
  return product;
}

export async function listCategory(category) {
  return await sql`
    SELECT id, sku, name, price_cents FROM products
    WHERE category_id = ${category} ORDER BY price_cents, id LIMIT 20`;
}

/** Stores a valid order in one transaction, or refuses it. */
export function placeOrder(basket) {
  return sql.begin(async (tx) => {
    const { customer } = basket;
    const found = await tx`SELECT id FROM customers WHERE id = ${customer}`;
    requireCustomer(found.length === 1);
    const asked = basket.lines.map((line) => line.product);
    const rows = await tx`
      SELECT id, price_cents, stock FROM products WHERE id = ANY(${sql.array(asked, 'INT')}) ORDER BY id FOR UPDATE`;
    const lines = priceLines(basket, rows);
    const products = sql.array(lines.map((line) => line.product), 'INT');
    const quantities = sql.array(lines.map((line) => line.quantity), 'INT');
    const cents = sql.array(lines.map((line) => line.unit_cents), 'INT');
    await tx`
      UPDATE products SET stock = stock - taken.quantity
      FROM unnest(${products}, ${quantities}) AS taken (id, quantity) WHERE products.id = taken.id`;
    const [{ id }] = await tx`INSERT INTO orders (customer_id) VALUES (${customer}) RETURNING id`;
    const order = Number(id); // a bigint comes as text
    await tx`
      INSERT INTO order_lines (order_id, line, product_id, quantity, unit_cents)
      SELECT ${order}, line, product, quantity, cents
      FROM unnest(${products}, ${quantities}, ${cents}) WITH ORDINALITY AS l (product, quantity, cents, line)`;
    return confirm(order, customer, lines);
  });
}
