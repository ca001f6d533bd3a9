"""The application on Django: async class-based views, under ASGI.

Views compute on the event loop, as their model says. Django reads a body whole before
it calls a view, so nothing here streams one.
"""

import os

from asgiref.sync import markcoroutinefunction
from django.core.asgi import get_asgi_application
from django.core.exceptions import RequestDataTooBig
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.views import View

from lab_app import callbacks, cpu, kernels, orders, parameters
from lab_app.errors import BodyTooLarge, Refusal
from lab_app.upstream_aiohttp import Upstream

TEXT = "text/plain; charset=utf-8"


def create_app(identity):
    """The ASGI application; identity is called to answer GET /identity."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "lab_app.django_settings"
    Identity.describe = staticmethod(identity)
    return get_asgi_application()


class Settled:
    """The middleware: every answer has its length, and a refusal its error."""

    async_capable = True
    sync_capable = False

    def __init__(self, get_response):
        self._get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request):
        response = await self._get_response(request)
        response["content-length"] = str(len(response.content))
        return response

    async def process_exception(self, request, exception):
        if isinstance(exception, Refusal):
            return error_response(exception.status, exception.error)
        return None


def json_response(value, status=200, headers=None):
    compact = {"separators": (",", ":"), "ensure_ascii": False}
    return JsonResponse(value, status=status, headers=headers, json_dumps_params=compact)


def error_response(status, error, headers=None):
    return json_response({"error": error}, status, headers)


def handler404(request, exception):
    return error_response(404, "not found")


def refuse_method(view):
    allow = {"allow": ", ".join(view._allowed_methods())}
    return error_response(405, "method not allowed", allow)


class Endpoint(View):
    # HEAD is answered by get(). OPTIONS, which Django answers by itself, is none.
    http_method_names = ["get", "head", "post"]

    def http_method_not_allowed(self, request):
        return self._refuse_method()

    async def _refuse_method(self):
        return refuse_method(self)


class Health(Endpoint):
    async def get(self, request):
        return HttpResponse("ok", content_type=TEXT)


class Identity(Endpoint):
    describe = None  # set by create_app

    async def get(self, request):
        return json_response(self.describe())


class Plaintext(Endpoint):
    async def get(self, request):
        return HttpResponse("Hello, World!", content_type=TEXT)


class Json(Endpoint):
    async def get(self, request):
        return json_response({"message": "Hello, World!"})


class Echo(Endpoint):
    async def post(self, request):
        orders.require_json(request.headers.get("content-type", ""))
        priced = orders.price_order(orders.parse_order(body_of(request)))
        return HttpResponse(priced, content_type="application/json")


def body_of(request):
    try:
        body = request.body
    except RequestDataTooBig:
        raise BodyTooLarge(orders.MAX_BODY_BYTES) from None
    if len(body) > orders.MAX_BODY_BYTES:  # in chunks: Django looks at content-length
        raise BodyTooLarge(orders.MAX_BODY_BYTES)
    return body


class Compute(Endpoint):
    name = None
    kernel = None

    async def get(self, request):
        n = parameters.require(request.GET, "n", 1, kernels.MAX_N[self.name])
        return json_response({"kernel": self.name, "n": n, "result": self.kernel(n)})


class Parallel(Endpoint):
    name = None
    part = None
    join = None

    async def get(self, request):
        workers = parameters.require(request.GET, "workers", 1, parameters.MAX_PARTS)
        n = parameters.require(request.GET, "n", 1, kernels.MAX_N[self.name])
        results = await cpu.Inline().parts(self.part, workers, n)
        answer = {"kernel": self.name, "workers": workers, "n": n, "result": self.join(results)}
        return json_response(answer)


class Callbacks(Endpoint):
    mode = None
    run = None

    async def get(self, request):
        n = parameters.require(request.GET, "n", 1, parameters.MAX_TASKS)
        return json_response({"mode": self.mode, "n": n, "result": await self.run(n)})


class Wait(Endpoint):
    # Made for the first request that needs it: Django has no lifespan to make it in.
    upstream = None

    async def get(self, request):
        ms = parameters.require(request.GET, "ms", 0, parameters.MAX_WAIT_MS)
        if Wait.upstream is None:
            Wait.upstream = await Upstream().__aenter__()
        return json_response({"ms": ms, "upstream": await Wait.upstream.wait(ms)})


urlpatterns = [
    path("healthz", Health.as_view()),
    path("identity", Identity.as_view()),
    path("plaintext", Plaintext.as_view()),
    path("json", Json.as_view()),
    path("echo", Echo.as_view()),
    path("compute/integers", Compute.as_view(name="integers", kernel=kernels.integers)),
    path("compute/text", Compute.as_view(name="text", kernel=kernels.text)),
    path("compute/objects", Compute.as_view(name="objects", kernel=kernels.objects)),
    path("compute/native", Compute.as_view(name="native", kernel=kernels.native)),
    path(
        "parallel/integers",
        Parallel.as_view(name="integers", part=kernels.integers_part, join=sum),
    ),
    path(
        "parallel/native",
        Parallel.as_view(name="native", part=kernels.native_part, join=kernels.join_digests),
    ),
    path("callbacks/chained", Callbacks.as_view(mode="chained", run=callbacks.chained)),
    path("callbacks/parallel", Callbacks.as_view(mode="parallel", run=callbacks.parallel)),
    path("wait", Wait.as_view()),
]
