"""The parameters of a query: whole numbers within bounds."""

import re

from lab_app.errors import InvalidParameter

# int() also takes signs, white space, underscores and digits of any script.
# No bound has more than seven digits, and int() refuses to read thousands.
_WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]{0,6}")

MAX_WAIT_MS = 60_000
MAX_TASKS = 100_000
MAX_PARTS = 64


def parse(text, low, high):
    """The number that the text is; None if it is none from low to high."""
    if not _WHOLE_NUMBER.fullmatch(text):
        return None
    number = int(text)
    return number if low <= number <= high else None


def require(query, name, low, high):
    """The parameter of that name in a mapping of names to texts."""
    number = parse(query.get(name, ""), low, high)
    if number is None:
        raise InvalidParameter(name, low, high)
    return number
