"""The shop's database by psycopg and its pool, for threads. psycopg prepares a statement on a
connection once it was executed five times there."""

from psycopg.rows import dict_row, tuple_row
from psycopg_pool import ConnectionPool

from lab_app import settings, shop

PRODUCT = """SELECT id, sku, category_id AS category, name, price_cents, stock
FROM products WHERE id = %s"""
CATEGORY = """SELECT id, sku, name, price_cents FROM products
WHERE category_id = %s ORDER BY price_cents, id LIMIT 20"""
CUSTOMER = "SELECT id FROM customers WHERE id = %s"
LOCK = """SELECT id, price_cents, stock FROM products
WHERE id = ANY(%s::int[]) ORDER BY id FOR UPDATE"""
TAKE = """UPDATE products SET stock = stock - taken.quantity
FROM unnest(%s::int[], %s::int[]) AS taken (id, quantity) WHERE products.id = taken.id"""
ORDER = "INSERT INTO orders (customer_id) VALUES (%s) RETURNING id"
LINES = """INSERT INTO order_lines (order_id, line, product_id, quantity, unit_cents)
SELECT %s, line, product, quantity, cents
FROM unnest(%s::int[], %s::int[], %s::int[]) WITH ORDINALITY AS l (product, quantity, cents, line)"""


class Shop:
    def __init__(self):
        self._pool = ConnectionPool(
            settings.DATABASE_URL, min_size=shop.POOL_SIZE, max_size=shop.POOL_SIZE, open=True
        )

    def product(self, number):
        with self._pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(PRODUCT, (number,)).fetchone()

    def category(self, number):
        with self._pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(CATEGORY, (number,)).fetchall()

    def place(self, customer, lines):
        """Stores an order in one transaction, which the block of the connection ends, or refuses it."""
        with self._pool.connection() as connection, connection.cursor(row_factory=tuple_row) as cursor:
            if cursor.execute(CUSTOMER, (customer,)).fetchone() is None:
                raise shop.NoSuchCustomer
            rows = cursor.execute(LOCK, ([product for product, _ in lines],)).fetchall()
            found = {product: (price_cents, stock) for product, price_cents, stock in rows}
            priced = shop.price_lines(lines, found)
            products, quantities, cents = map(list, zip(*priced, strict=True))
            cursor.execute(TAKE, (products, quantities))
            (order,) = cursor.execute(ORDER, (customer,)).fetchone()
            cursor.execute(LINES, (order, products, quantities, cents))
        return shop.confirm(order, customer, priced)
