"""What an order is and what becomes of it: the rule behind POST /echo."""

import json
import re

from lab_app.errors import InvalidOrder, NotJson

MAX_BODY_BYTES = 1_048_576

MAX_ID = 2**53 - 1
MAX_ITEMS = 1_000
MAX_CUSTOMER = 100  # lengths count code points
MAX_NOTE = 500
MAX_SKU = 64
MAX_QUANTITY = 1_000
MAX_UNIT_CENTS = 10_000_000


_JSON_TYPE = re.compile(r"application/json[ \t]*(?:;|\Z)", re.IGNORECASE | re.ASCII)


def require_json(content_type):
    """Refuses a body whose content-type is another, or none."""
    if not _JSON_TYPE.match(content_type):
        raise NotJson


def _refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


# json.loads() and json.dumps() with options build these anew on every call.
_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def to_json(value):
    """Compact JSON as UTF-8. A lone surrogate raises UnicodeEncodeError."""
    return _encode(value).encode()


def parse_order(body):
    # json.loads() would guess UTF-16 and UTF-32 from bytes. ValueError also
    # stands for text that is not UTF-8 and for integers of thousands of digits.
    try:
        return _decode(body.decode())
    except (ValueError, RecursionError):
        raise InvalidOrder from None


def price_order(order):
    """Validates a parsed order, prices its lines and returns them as JSON."""
    try:
        return to_json(_price(order))
    except (KeyError, UnicodeEncodeError):
        raise InvalidOrder from None


def _price(order):
    _require_fields(order, 5)
    items = order["items"]
    express = order["express"]
    _require(type(express) is bool)
    _require(type(items) is list and 1 <= len(items) <= MAX_ITEMS)
    order_id = _integer(order["id"], 0, MAX_ID)
    customer = _text(order["customer"], 1, MAX_CUSTOMER)
    note = order["note"]
    if note is not None:
        _text(note, 0, MAX_NOTE)

    lines = []
    order_total = 0
    for item in items:
        _require_fields(item, 3)
        sku = _text(item["sku"], 1, MAX_SKU)
        quantity = _integer(item["quantity"], 1, MAX_QUANTITY)
        line_total = quantity * _integer(item["unit_cents"], 0, MAX_UNIT_CENTS)
        order_total += line_total
        lines.append({"sku": sku, "quantity": quantity, "total_cents": line_total})
    return {
        "id": order_id,
        "customer": customer,
        "express": express,
        "note": note,
        "lines": lines,
        "items": len(lines),
        "total_cents": order_total,
    }


def _require(holds):
    if not holds:
        raise InvalidOrder


def _require_fields(value, count):
    # With the right number of fields and none of the expected ones missing
    # there is no room for an unknown one.
    if type(value) is not dict or len(value) != count:
        raise InvalidOrder


def _integer(value, low, high):
    # bool is a subclass of int, and not an integer here.
    if type(value) is not int:
        if type(value) is not float or not value.is_integer():
            raise InvalidOrder
        value = int(value)  # 1.0 and 1e0 are the number 1
    if not low <= value <= high:
        raise InvalidOrder
    return value


def _text(value, low, high):
    if type(value) is not str or not low <= len(value) <= high:
        raise InvalidOrder
    return value
