"""The shop's database by asyncpg, which prepares each statement once on each connection."""

import asyncpg

from lab_app import settings, shop

PRODUCT = """SELECT id, sku, category_id AS category, name, price_cents, stock
FROM products WHERE id = $1"""
CATEGORY = """SELECT id, sku, name, price_cents FROM products
WHERE category_id = $1 ORDER BY price_cents, id LIMIT 20"""
CUSTOMER = "SELECT id FROM customers WHERE id = $1"
LOCK = """SELECT id, price_cents, stock FROM products
WHERE id = ANY($1::int[]) ORDER BY id FOR UPDATE"""
TAKE = """UPDATE products SET stock = stock - taken.quantity
FROM unnest($1::int[], $2::int[]) AS taken (id, quantity) WHERE products.id = taken.id"""
ORDER = "INSERT INTO orders (customer_id) VALUES ($1) RETURNING id"
LINES = """INSERT INTO order_lines (order_id, line, product_id, quantity, unit_cents)
SELECT $1, line, product, quantity, cents
FROM unnest($2::int[], $3::int[], $4::int[]) WITH ORDINALITY AS l (product, quantity, cents, line)"""


class Shop:
    """A pool of connections; a context manager within a running event loop."""

    async def __aenter__(self):
        self._pool = await asyncpg.create_pool(
            settings.DATABASE_URL, min_size=shop.POOL_SIZE, max_size=shop.POOL_SIZE
        )
        return self

    async def __aexit__(self, *_):
        await self._pool.close()

    async def product(self, number):
        return dict(await self._pool.fetchrow(PRODUCT, number))

    async def category(self, number):
        return [dict(row) for row in await self._pool.fetch(CATEGORY, number)]

    async def place(self, customer, lines):
        """Stores an order in one transaction, or refuses it."""
        async with self._pool.acquire() as connection, connection.transaction():
            if await connection.fetchval(CUSTOMER, customer) is None:
                raise shop.NoSuchCustomer
            rows = await connection.fetch(LOCK, [product for product, _ in lines])
            found = {row["id"]: (row["price_cents"], row["stock"]) for row in rows}
            priced = shop.price_lines(lines, found)
            products, quantities, cents = zip(*priced, strict=True)
            await connection.execute(TAKE, products, quantities)
            order = await connection.fetchval(ORDER, customer)
            await connection.execute(LINES, order, products, quantities, cents)
        return shop.confirm(order, customer, priced)
