"""The application on Flask, for a WSGI server with threads.

A request has a thread of its own, which computes, waits for the upstream and
reads the body. Flask runs each of the async views in an event loop of its own.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from flask import Blueprint, Flask, Response, current_app, request
from flask.json.provider import JSONProvider
from werkzeug.exceptions import (
    ClientDisconnected,
    HTTPException,
    MethodNotAllowed,
    NotFound,
)

from lab_app import callbacks, kernels, orders, parameters, settings, stream
from lab_app.errors import BodyTooLarge, Refusal
from lab_app.upstream_urllib3 import Upstream

TEXT = "text/plain; charset=utf-8"

views = Blueprint("views", __name__)


class CompactJSON(JSONProvider):
    """The contract's JSON: Flask's own sorts the fields and ends with a newline."""

    def dumps(self, obj, **kwargs):
        return orders.to_json(obj).decode()

    def loads(self, s, **kwargs):
        return json.loads(s, **kwargs)


def create_app():
    """The application; app.extensions["identity"], which the server's
    configuration sets, is called to answer GET /identity."""
    app = Flask(__name__, static_folder=None)
    app.json = CompactJSON(app)
    # No paths and methods but the contract's.
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.merge_slashes = False
    app.extensions["upstream"] = Upstream(settings.THREADS)
    app.extensions["cpu"] = ThreadPoolExecutor(settings.CPUS, thread_name_prefix="cpu")
    app.register_blueprint(views)
    if settings.DATABASE_URL:
        # Servers without a database start without its client.
        from lab_app import flask_shop, shop_psycopg

        app.extensions["shop"] = shop_psycopg.Shop()
        app.register_blueprint(flask_shop.views)
    app.register_error_handler(Refusal, refuse)
    app.register_error_handler(HTTPException, refuse_route)
    return app


def refuse(refusal):
    return {"error": refusal.error}, refusal.status


def refuse_route(exception):
    if isinstance(exception, MethodNotAllowed):
        allow = ", ".join(sorted(exception.valid_methods))
        return {"error": "method not allowed"}, 405, {"allow": allow}
    return {"error": exception.name.lower()}, exception.code


@views.before_app_request
def refuse_leading_slashes():
    # werkzeug's router drops all but one.
    if request.environ["PATH_INFO"].startswith("//"):
        raise NotFound


@views.after_app_request
def read_past_body(response):
    """Once the answer is sent, reads and drops what is left of the body. gunicorn
    drops up to 64 KiB and then closes, which can take the answer from a client
    that still sends."""
    body = request.environ["wsgi.input"]

    def drop():
        while body.read(65_536):
            pass

    response.call_on_close(drop)
    return response


@views.get("/healthz")
def get_health():
    return Response("ok", content_type=TEXT)


@views.get("/identity")
def get_identity():
    return current_app.extensions["identity"]()


@views.get("/plaintext")
def get_plaintext():
    return Response("Hello, World!", content_type=TEXT)


@views.get("/json")
def get_json():
    return {"message": "Hello, World!"}


@views.post("/echo")
def post_echo():
    return Response(orders.price_order(read_json()), content_type="application/json")


@views.get("/compute/integers")
def compute_integers():
    return compute("integers", kernels.integers)


@views.get("/compute/text")
def compute_text():
    return compute("text", kernels.text)


@views.get("/compute/objects")
def compute_objects():
    return compute("objects", kernels.objects)


@views.get("/compute/native")
def compute_native():
    return compute("native", kernels.native)


def compute(name, kernel):
    n = parameters.require(request.args, "n", 1, kernels.MAX_N[name])
    return {"kernel": name, "n": n, "result": kernel(n)}


@views.get("/parallel/integers")
def parallel_integers():
    return compute_parts("integers", kernels.integers_part, sum)


@views.get("/parallel/native")
def parallel_native():
    return compute_parts("native", kernels.native_part, kernels.join_digests)


def compute_parts(name, part, join):
    workers = parameters.require(request.args, "workers", 1, parameters.MAX_PARTS)
    n = parameters.require(request.args, "n", 1, kernels.MAX_N[name])
    results = current_app.extensions["cpu"].map(partial(part, parts=workers, n=n), range(workers))
    return {"kernel": name, "workers": workers, "n": n, "result": join(results)}


@views.get("/wait")
def get_wait():
    ms = parameters.require(request.args, "ms", 0, parameters.MAX_WAIT_MS)
    return {"ms": ms, "upstream": current_app.extensions["upstream"].wait(ms)}


@views.get("/callbacks/chained")
async def callbacks_chained():
    n = parameters.require(request.args, "n", 1, parameters.MAX_TASKS)
    return {"mode": "chained", "n": n, "result": await callbacks.chained(n)}


@views.get("/callbacks/parallel")
async def callbacks_parallel():
    n = parameters.require(request.args, "n", 1, parameters.MAX_TASKS)
    return {"mode": "parallel", "n": n, "result": await callbacks.parallel(n)}


@views.get("/stream")
def get_stream():
    mib = parameters.require(request.args, "mib", 1, stream.MAX_MIB)
    return Response(stream.chunks(mib), content_type="application/octet-stream")


@views.post("/stream")
def post_stream():
    return {"bytes": sum(map(len, body_chunks(stream.MAX_BODY_BYTES)))}


def read_json():
    """The JSON of a body, parsed."""
    orders.require_json(request.headers.get("content-type", ""))
    return orders.parse_order(b"".join(body_chunks(orders.MAX_BODY_BYTES)))


def body_chunks(limit):
    """The body as it comes, up to a limit. Flask's MAX_CONTENT_LENGTH cuts a
    chunked body that is longer, or refuses one of just that length: it cannot
    tell them apart."""
    if (request.content_length or 0) > limit:
        raise BodyTooLarge(limit)
    size = 0
    while chunk := read_chunk():
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(limit)
        yield chunk


def read_chunk():
    try:
        return request.stream.read(65_536)
    except OSError:  # gunicorn's, for a chunked body that ends too early
        raise ClientDisconnected from None
