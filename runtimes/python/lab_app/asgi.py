"""The application as raw ASGI: routing, and what every endpoint says."""

from urllib.parse import parse_qsl

from lab_app import callbacks, cpu, kernels, parameters, settings, stream
from lab_app.errors import BodyTooLarge, Refusal
from lab_app.orders import MAX_BODY_BYTES, parse_order, price_order, require_json, to_json
from lab_app.upstream_aiohttp import Upstream

TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"
BYTES = b"application/octet-stream"


class Disconnected(Exception):
    """The client left before its request was complete."""


def create_app(identity):
    """The ASGI application; identity is called to answer GET /identity."""
    if not settings.DATABASE_URL:
        return Application(identity)
    # Servers without a database start without its client.
    from lab_app.shop_asgi import ShopApplication

    return ShopApplication(identity)


class Application:
    def __init__(self, identity):
        self._identity = identity
        self._upstream = None  # while the server runs
        self._cpu = cpu.for_model(settings.MODEL, settings.CPUS)
        self._routes = {
            "/healthz": readable(get_health),
            "/identity": readable(self._get_identity),
            "/plaintext": readable(get_plaintext),
            "/json": readable(get_json),
            "/echo": {"POST": post_echo},
            "/compute/integers": readable(self._compute("integers", kernels.integers)),
            "/compute/text": readable(self._compute("text", kernels.text)),
            "/compute/objects": readable(self._compute("objects", kernels.objects)),
            "/compute/native": readable(self._compute("native", kernels.native)),
            "/wait": readable(self._get_wait),
            "/callbacks/chained": readable(turns("chained", callbacks.chained)),
            "/callbacks/parallel": readable(turns("parallel", callbacks.parallel)),
            "/parallel/integers": readable(self._parallel("integers", kernels.integers_part, sum)),
            "/parallel/native": readable(
                self._parallel("native", kernels.native_part, kernels.join_digests)
            ),
            "/stream": readable(get_stream) | {"POST": post_stream},
        }

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        methods = self._routes.get(scope["path"])
        if methods is None:
            await respond_error(send, 404, "not found")
            return
        answer = methods.get(scope["method"])
        if answer is None:
            allow = (b"allow", ", ".join(methods).encode())
            await respond_error(send, 405, "method not allowed", allow)
            return
        try:
            await answer(scope, receive, send)
        except Refusal as refusal:
            await respond_error(send, refusal.status, refusal.error)
        except Disconnected:
            pass

    async def _live(self, receive, send):
        """Holds what lives as long as the server: the ASGI lifespan protocol."""
        await receive()  # lifespan.startup
        async with Upstream() as self._upstream:
            await send({"type": "lifespan.startup.complete"})
            await receive()  # lifespan.shutdown
        self._cpu.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _get_identity(self, scope, receive, send):
        await respond_json(send, self._identity())

    async def _get_wait(self, scope, receive, send):
        ms = parameters.require(query(scope), "ms", 0, parameters.MAX_WAIT_MS)
        await respond_json(send, {"ms": ms, "upstream": await self._upstream.wait(ms)})

    def _compute(self, name, kernel):
        async def get_compute(scope, receive, send):
            n = parameters.require(query(scope), "n", 1, kernels.MAX_N[name])
            result = await self._cpu.compute(kernel, n)
            await respond_json(send, {"kernel": name, "n": n, "result": result})

        return get_compute

    def _parallel(self, name, part, join):
        async def get_parallel(scope, receive, send):
            given = query(scope)
            workers = parameters.require(given, "workers", 1, parameters.MAX_PARTS)
            n = parameters.require(given, "n", 1, kernels.MAX_N[name])
            result = join(await self._cpu.parts(part, workers, n))
            await respond_json(send, {"kernel": name, "workers": workers, "n": n, "result": result})

        return get_parallel


def readable(answer):
    # The server leaves out the body in an answer to HEAD.
    return {"GET": answer, "HEAD": answer}


async def get_health(scope, receive, send):
    await respond(send, 200, TEXT, b"ok")


async def get_plaintext(scope, receive, send):
    await respond(send, 200, TEXT, b"Hello, World!")


async def get_json(scope, receive, send):
    await respond_json(send, {"message": "Hello, World!"})


async def post_echo(scope, receive, send):
    await respond(send, 200, JSON, price_order(await read_json(scope, receive)))


async def read_json(scope, receive):
    """The JSON of a body, parsed."""
    require_json(header(scope, b"content-type"))
    body = bytearray()
    async for chunk in body_chunks(scope, receive, MAX_BODY_BYTES):
        body += chunk
    return parse_order(body)


def turns(mode, run):
    async def get_callbacks(scope, receive, send):
        n = parameters.require(query(scope), "n", 1, parameters.MAX_TASKS)
        await respond_json(send, {"mode": mode, "n": n, "result": await run(n)})

    return get_callbacks


async def get_stream(scope, receive, send):
    mib = parameters.require(query(scope), "mib", 1, stream.MAX_MIB)
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", BYTES)]}
    )
    # send() waits where a client reads more slowly, once the transport holds more
    # than its high-water mark; where it keeps up nothing waits.
    for chunk in stream.chunks(mib):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body"})


async def post_stream(scope, receive, send):
    size = 0
    async for chunk in body_chunks(scope, receive, stream.MAX_BODY_BYTES):
        size += len(chunk)
    await respond_json(send, {"bytes": size})


def query(scope):
    return dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))


def header(scope, wanted):
    """The value of a header that is not repeated; empty if it is not there."""
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), "")


async def body_chunks(scope, receive, limit):
    """The body as it comes. One that is too large is refused at once when
    content-length says so, else as soon as the limit is passed. The server reads
    and drops what follows: closing on a client that still sends would take the
    answer from it."""
    if int(header(scope, b"content-length") or 0) > limit:
        raise BodyTooLarge(limit)
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(limit)
        yield chunk
        more = message.get("more_body", False)


async def respond_error(send, status, error, *headers):
    await respond(send, status, JSON, to_json({"error": error}), *headers)


async def respond_json(send, value):
    await respond(send, 200, JSON, to_json(value))


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
