"""The application on FastAPI: pydantic reads what comes in and writes what goes out.

Endpoints that compute are plain functions: FastAPI runs them in its pool of
threads, so that they do not hold the event loop. Those that await are coroutines.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
)
from pydantic_core import PydanticCustomError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from lab_app import callbacks, kernels, orders, parameters, settings, stream
from lab_app.errors import BodyTooLarge, InvalidOrder, Refusal
from lab_app.upstream_aiohttp import Upstream

READ = ["GET", "HEAD"]

router = APIRouter()


def create_app(identity: Callable[[], dict[str, Any]], *more: APIRouter) -> FastAPI:
    """The application; identity is called to answer GET /identity, and more are the
    routers of further endpoints."""
    lifespan = live
    if settings.DATABASE_URL:
        # Servers without a database start without its client. Its endpoints join the router's.
        from lab_app import fastapi_shop

        lifespan = fastapi_shop.live
    app = FastAPI(
        lifespan=lifespan,
        # No paths but the contract's.
        openapi_url=None,
        redirect_slashes=False,
        exception_handlers={
            Refusal: refuse,
            RequestValidationError: refuse_query,
            HTTPException: refuse_route,
            ClientDisconnect: let_go,
        },
    )
    app.state.identity = identity
    for included in (*more, router):
        app.include_router(included)
    return app


@asynccontextmanager
async def live(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    async with Upstream() as upstream:
        yield {"upstream": upstream}


# Errors


def error_response(status: int, error: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": error}, status, headers)


async def refuse(request: Request, refusal: Refusal) -> JSONResponse:
    return error_response(refusal.status, refusal.error)


async def refuse_query(request: Request, invalid: RequestValidationError) -> JSONResponse:
    error = invalid.errors()[0]
    return error_response(400, f"{error['loc'][-1]} {error['msg']}")


async def refuse_route(request: Request, exception: HTTPException) -> JSONResponse:
    if exception.status_code == 404:
        return error_response(404, "not found")
    # The exception knows the methods of one route, and /stream has two.
    routes = [route for route in router.routes if route.path == request.url.path]
    allow = ", ".join(sorted(method for route in routes for method in route.methods))
    allow = allow or exception.headers["Allow"]  # a path with a parameter has one route
    return error_response(405, "method not allowed", {"allow": allow})


async def let_go(request: Request, disconnect: ClientDisconnect) -> Response:
    return Response()  # Nobody is there to read it.


# Queries


def whole_number(low: int, high: int) -> Any:
    """The type of a parameter. pydantic's own integers may have signs, white space
    and underscores; a missing parameter gets the same error as an empty one."""

    def check(text: str) -> int:
        number = parameters.parse(text, low, high)
        if number is None:
            bounds = {"low": low, "high": high}
            raise PydanticCustomError(
                "whole_number", "must be a whole number from {low} to {high}", bounds
            )
        return number

    return Annotated[int, BeforeValidator(check), Field(default="", validate_default=True)]


Parts = whole_number(1, parameters.MAX_PARTS)


class IntegersQuery(BaseModel):
    n: whole_number(1, kernels.MAX_N["integers"])


class TextQuery(BaseModel):
    n: whole_number(1, kernels.MAX_N["text"])


class ObjectsQuery(BaseModel):
    n: whole_number(1, kernels.MAX_N["objects"])


class NativeQuery(BaseModel):
    n: whole_number(1, kernels.MAX_N["native"])


class ParallelIntegersQuery(BaseModel):
    workers: Parts
    n: whole_number(1, kernels.MAX_N["integers"])


class ParallelNativeQuery(BaseModel):
    workers: Parts
    n: whole_number(1, kernels.MAX_N["native"])


class WaitQuery(BaseModel):
    ms: whole_number(0, parameters.MAX_WAIT_MS)


class CallbacksQuery(BaseModel):
    n: whole_number(1, parameters.MAX_TASKS)


class StreamQuery(BaseModel):
    mib: whole_number(1, stream.MAX_MIB)


# Bodies


def to_integer(value: float) -> int:
    if not value.is_integer():
        raise PydanticCustomError("integer", "must be an integer")
    return int(value)


def integer(low: int, high: int) -> Any:
    """The type of a number in JSON, where 1.0 is an integer, and true and "1" are none."""
    bounds = Field(strict=True, ge=low, le=high)
    return Annotated[
        Annotated[int, bounds] | Annotated[float, bounds, AfterValidator(to_integer)],
        Field(union_mode="left_to_right"),
    ]


class Item(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sku: str = Field(min_length=1, max_length=orders.MAX_SKU)
    quantity: integer(1, orders.MAX_QUANTITY)
    unit_cents: integer(0, orders.MAX_UNIT_CENTS)


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: integer(0, orders.MAX_ID)
    customer: str = Field(min_length=1, max_length=orders.MAX_CUSTOMER)
    express: StrictBool
    note: Annotated[str, Field(max_length=orders.MAX_NOTE)] | None
    items: list[Item] = Field(min_length=1, max_length=orders.MAX_ITEMS)


class Line(BaseModel):
    sku: str
    quantity: int
    total_cents: int


class PricedOrder(BaseModel):
    id: int
    customer: str
    express: bool
    note: str | None
    lines: list[Line]
    items: int
    total_cents: int


async def body_chunks(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body as it comes, up to a limit. FastAPI's max_body_size would do, but
    for its answer in plain text, which also comes before any other."""
    if int(request.headers.get("content-length", 0)) > limit:
        raise BodyTooLarge(limit)
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(limit)
        yield chunk


async def read_order(request: Request) -> Order:
    """The order of the body. FastAPI would read a body of any size into memory,
    before it looks at the content-type, and take NaN for JSON."""
    orders.require_json(request.headers.get("content-type", ""))
    body = bytearray()
    async for chunk in body_chunks(request, orders.MAX_BODY_BYTES):
        body += chunk
    try:
        return Order.model_validate(orders.parse_order(body))
    except ValidationError:
        raise InvalidOrder from None


# Endpoints


class Message(BaseModel):
    message: str


class Computed(BaseModel):
    kernel: str
    n: int
    result: int | str


class ComputedInParts(BaseModel):
    kernel: str
    workers: int
    n: int
    result: int | str


class Waited(BaseModel):
    ms: int
    upstream: str


class Turned(BaseModel):
    mode: Literal["chained", "parallel"]
    n: int
    result: int


class Received(BaseModel):
    bytes: int


@router.api_route("/healthz", methods=READ, response_class=PlainTextResponse)
async def get_health() -> str:
    return "ok"


@router.api_route("/identity", methods=READ)
async def get_identity(request: Request) -> dict[str, Any]:
    return request.app.state.identity()


@router.api_route("/plaintext", methods=READ, response_class=PlainTextResponse)
async def get_plaintext() -> str:
    return "Hello, World!"


@router.api_route("/json", methods=READ)
async def get_json() -> Message:
    return Message(message="Hello, World!")


@router.post("/echo")
async def post_echo(order: Annotated[Order, Depends(read_order)]) -> PricedOrder:
    lines = [
        Line(sku=item.sku, quantity=item.quantity, total_cents=item.quantity * item.unit_cents)
        for item in order.items
    ]
    return PricedOrder(
        id=order.id,
        customer=order.customer,
        express=order.express,
        note=order.note,
        lines=lines,
        items=len(lines),
        total_cents=sum(line.total_cents for line in lines),
    )


@router.api_route("/compute/integers", methods=READ)
def compute_integers(query: Annotated[IntegersQuery, Query()]) -> Computed:
    return Computed(kernel="integers", n=query.n, result=kernels.integers(query.n))


@router.api_route("/compute/text", methods=READ)
def compute_text(query: Annotated[TextQuery, Query()]) -> Computed:
    return Computed(kernel="text", n=query.n, result=kernels.text(query.n))


@router.api_route("/compute/objects", methods=READ)
def compute_objects(query: Annotated[ObjectsQuery, Query()]) -> Computed:
    return Computed(kernel="objects", n=query.n, result=kernels.objects(query.n))


@router.api_route("/compute/native", methods=READ)
def compute_native(query: Annotated[NativeQuery, Query()]) -> Computed:
    return Computed(kernel="native", n=query.n, result=kernels.native(query.n))


# One part after another, on the request's thread: the model is a single process
# whose threads are there to keep the event loop free, and not to share out work.


@router.api_route("/parallel/integers", methods=READ)
def parallel_integers(query: Annotated[ParallelIntegersQuery, Query()]) -> ComputedInParts:
    counts = [kernels.integers_part(k, query.workers, query.n) for k in range(query.workers)]
    return ComputedInParts(kernel="integers", workers=query.workers, n=query.n, result=sum(counts))


@router.api_route("/parallel/native", methods=READ)
def parallel_native(query: Annotated[ParallelNativeQuery, Query()]) -> ComputedInParts:
    digests = [kernels.native_part(k, query.workers, query.n) for k in range(query.workers)]
    return ComputedInParts(
        kernel="native", workers=query.workers, n=query.n, result=kernels.join_digests(digests)
    )


async def the_upstream(request: Request) -> Upstream:
    return request.state.upstream


@router.api_route("/wait", methods=READ)
async def get_wait(
    query: Annotated[WaitQuery, Query()], upstream: Annotated[Upstream, Depends(the_upstream)]
) -> Waited:
    return Waited(ms=query.ms, upstream=await upstream.wait(query.ms))


@router.api_route("/callbacks/chained", methods=READ)
async def callbacks_chained(query: Annotated[CallbacksQuery, Query()]) -> Turned:
    return Turned(mode="chained", n=query.n, result=await callbacks.chained(query.n))


@router.api_route("/callbacks/parallel", methods=READ)
async def callbacks_parallel(query: Annotated[CallbacksQuery, Query()]) -> Turned:
    return Turned(mode="parallel", n=query.n, result=await callbacks.parallel(query.n))


@router.api_route("/stream", methods=READ)
async def get_stream(query: Annotated[StreamQuery, Query()]) -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        # Starlette would have a thread fetch each chunk of a plain generator.
        for chunk in stream.chunks(query.mib):
            yield chunk

    return StreamingResponse(chunks(), media_type="application/octet-stream")


@router.post("/stream")
async def post_stream(request: Request) -> Received:
    size = 0
    async for chunk in body_chunks(request, stream.MAX_BODY_BYTES):
        size += len(chunk)
    return Received(bytes=size)
