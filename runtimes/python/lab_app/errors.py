"""The requests that get an error for an answer: its status and its words."""


class Refusal(Exception):
    def __init__(self, status, error):
        super().__init__(error)
        self.status = status
        self.error = error


class InvalidOrder(Refusal):
    """The body is not an order: it is no JSON, or JSON that breaks the rule."""

    def __init__(self):
        super().__init__(400, "not a valid order")


class InvalidParameter(Refusal):
    def __init__(self, name, low, high):
        super().__init__(400, f"{name} must be a whole number from {low} to {high}")


class BodyTooLarge(Refusal):
    def __init__(self, limit):
        super().__init__(413, f"body exceeds {limit} bytes")


class NotJson(Refusal):
    def __init__(self):
        super().__init__(415, "content-type must be application/json")


class UpstreamFailed(Refusal):
    def __init__(self):
        super().__init__(502, "upstream failed")
