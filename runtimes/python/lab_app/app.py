"""Requests to answers: routing, and what every endpoint says."""

import re

from lab_app.orders import MAX_BODY_BYTES, InvalidOrder, parse_order, price_order, to_json

TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"
JSON_WITH_PARAMETERS = re.compile(rb"application/json[ \t]*(?:;|\Z)", re.IGNORECASE)


def create_app(identity):
    """The ASGI application; identity is called to answer GET /identity."""

    async def get_identity(scope, receive, send):
        await respond(send, 200, JSON, to_json(identity()))

    readable = ("GET", "HEAD")
    routes = {
        "/healthz": (readable, get_health),
        "/identity": (readable, get_identity),
        "/plaintext": (readable, get_plaintext),
        "/json": (readable, get_json),
        "/echo": (("POST",), post_echo),
    }

    async def app(scope, receive, send):
        route = routes.get(scope["path"])
        if route is None:
            await respond_error(send, 404, "not found")
            return
        methods, answer = route
        if scope["method"] not in methods:
            allow = (b"allow", ", ".join(methods).encode())
            await respond_error(send, 405, "method not allowed", allow)
            return
        await answer(scope, receive, send)

    return app


async def get_health(scope, receive, send):
    await respond(send, 200, TEXT, b"ok")


async def get_plaintext(scope, receive, send):
    await respond(send, 200, TEXT, b"Hello, World!")


async def get_json(scope, receive, send):
    await respond(send, 200, JSON, to_json({"message": "Hello, World!"}))


async def post_echo(scope, receive, send):
    content_type, content_length = b"", 0
    for name, value in scope["headers"]:
        if name == b"content-type":
            content_type = value
        elif name == b"content-length":
            content_length = int(value)

    if not is_json(content_type):
        await respond_error(send, 415, "content-type must be application/json")
        return
    if content_length > MAX_BODY_BYTES:
        await respond_too_large(send)
        return
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        more = message.get("more_body", False)
        # The server reads and drops what follows: closing on a client that
        # still sends would take the answer from it.
        if len(body) > MAX_BODY_BYTES:
            await respond_too_large(send)
            return

    try:
        priced = price_order(parse_order(body))
    except InvalidOrder:
        await respond_error(send, 400, "not a valid order")
        return
    await respond(send, 200, JSON, priced)


def is_json(content_type):
    return content_type == JSON or JSON_WITH_PARAMETERS.match(content_type) is not None


async def respond_too_large(send):
    await respond_error(send, 413, f"body exceeds {MAX_BODY_BYTES} bytes")


async def respond_error(send, status, error, *headers):
    await respond(send, status, JSON, to_json({"error": error}), *headers)


async def respond(send, status, content_type, body, *headers):
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", str(len(body)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
