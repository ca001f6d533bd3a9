"""The shop's rules: what an order is, and when it is refused.

What asks the database is in shop_asyncpg, shop_psycopg and django_shop.
"""

from pathlib import Path

from lab_app.errors import InvalidOrder, Refusal

POOL_SIZE = 10  # connections to the database, the same number for every application

TEMPLATES = Path(__file__).parent / "templates"

MAX_PRODUCT = 100_000  # in a query
MAX_CATEGORY = 500
MAX_ID = 2**31 - 1  # of a column of type integer
MAX_LINES = 10
MAX_QUANTITY = 100


class NoSuchCustomer(Refusal):
    def __init__(self):
        super().__init__(409, "no such customer")


class NoSuchProduct(Refusal):
    def __init__(self):
        super().__init__(409, "no such product")


class OutOfStock(Refusal):
    def __init__(self, product):
        super().__init__(409, f"product {product} is out of stock")


def read_basket(value):
    """The customer and the lines of a parsed order: pairs of product and quantity."""
    customer, lines = _fields(value, "customer", "lines")
    customer = _integer(customer, MAX_ID)
    if type(lines) is not list or not 1 <= len(lines) <= MAX_LINES:
        raise InvalidOrder
    pairs = []
    for line in lines:
        product, quantity = _fields(line, "product", "quantity")
        pairs.append((_integer(product, MAX_ID), _integer(quantity, MAX_QUANTITY)))
    return customer, require_distinct(pairs)


def require_distinct(lines):
    """The lines, sorted by product; refused if a product comes twice."""
    if len({product for product, _ in lines}) != len(lines):
        raise InvalidOrder
    return sorted(lines)


def price_lines(lines, products):
    """The lines with their prices: product, quantity, cents. Refused for the first product that is not
    there, or of which too few are. products maps ids to price and stock, of those that were found."""
    priced = []
    for product, quantity in lines:
        if product not in products:
            raise NoSuchProduct
        unit_cents, stock = products[product]
        if stock < quantity:
            raise OutOfStock(product)
        priced.append((product, quantity, unit_cents))
    return priced


def confirm(order, customer, priced):
    """The answer to an order that was stored."""
    return {
        "order": order,
        "customer": customer,
        "lines": [
            {"product": product, "quantity": quantity, "unit_cents": unit_cents}
            for product, quantity, unit_cents in priced
        ],
        "total_cents": sum(quantity * unit_cents for _, quantity, unit_cents in priced),
    }


def _fields(value, *names):
    if type(value) is not dict or len(value) != len(names):
        raise InvalidOrder
    try:
        return [value[name] for name in names]
    except KeyError:
        raise InvalidOrder from None


def _integer(value, high):
    # bool is a subclass of int, and not an integer here.
    if type(value) is float and value.is_integer():
        value = int(value)  # 1.0 and 1e0 are the number 1
    if type(value) is not int or not 1 <= value <= high:
        raise InvalidOrder
    return value
