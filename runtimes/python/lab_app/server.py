"""The process on uvicorn: listens, and ends when told to."""

import asyncio
import os
import signal
import time
from importlib.metadata import version

import uvicorn
from uvicorn.supervisors import Multiprocess

from lab_app.identity import describe
from lab_app.rooms import MAX_MESSAGE_BYTES
from lab_app.settings import (
    BACKLOG,
    EVENT_LOOP,
    FRAMEWORK,
    HOST,
    KEEP_ALIVE_S,
    PORT,
    SHUTDOWN_GRACE_S,
    WORKERS,
)

FASTAPI = ["fastapi", "starlette", "pydantic"]

# The application's factory, whether it knows the lifespan protocol, the server's
# implementation of WebSocket, and the libraries that identity names.
APPLICATION, LIFESPAN, WEBSOCKET, LIBRARIES = {
    "none": ("lab_app.asgi:create_app", "on", "none", []),
    "none-rooms": ("lab_app.asgi_rooms:create_app", "on", "websockets-sansio", ["websockets"]),
    "fastapi": ("lab_app.fastapi_app:create_app", "on", "none", FASTAPI),
    "fastapi-rooms": (
        "lab_app.fastapi_rooms:create_app",
        "on",
        "websockets-sansio",
        [*FASTAPI, "websockets"],
    ),
    "django": ("lab_app.django_app:create_app", "off", "none", ["django", "asgiref"]),
}[FRAMEWORK]
LIBRARIES += ["uvicorn", "uvloop", "httptools", "aiohttp"]


class Config(uvicorn.Config):
    """Tells the application's factory how to answer GET /identity."""

    def load_app(self):
        create_app = super().load_app()
        return create_app(lambda: identity(self))


class Server(uvicorn.Server):
    def handle_exit(self, sig, frame):
        super().handle_exit(sig, frame)
        # uvicorn looks at the clock between two turns of the event loop. A kernel
        # that holds the loop for longer than the grace must not hold the exit.
        signal.alarm(SHUTDOWN_GRACE_S)


class Supervisor(Multiprocess):
    def join_all(self):
        # uvicorn's waits for ever, and looks for signals twice a second.
        deadline = time.monotonic() + SHUTDOWN_GRACE_S - 0.5
        for worker in self.processes:
            worker.process.join(max(0, deadline - time.monotonic()))
            worker.process.kill()
            worker.process.join()


def main():
    config = Config(
        APPLICATION,
        host=HOST,
        port=PORT,
        workers=WORKERS,
        interface="asgi3",
        loop=EVENT_LOOP,
        http="httptools",
        ws=WEBSOCKET,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        lifespan=LIFESPAN,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_GRACE_S,
    )
    if config.workers > 1:
        # As uvicorn.run() does: the workers share one socket that listens.
        Supervisor(config, [config.bind_socket()]).run()
        return

    # uvicorn raises the signal again once it is done; this makes it exit 0
    # instead of a death by signal. sys.exit() would wait for threads that
    # still compute what nobody can be told any more.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, lambda *_: os._exit(0))
    Server(config).run()


def identity(config):
    """The answer to GET /identity where config is the uvicorn.Config in use."""
    loop = type(asyncio.get_running_loop())
    return describe(
        workers=config.workers,
        backlog=config.backlog,
        keep_alive_s=config.timeout_keep_alive,
        access_log=config.access_log,
        build={library: version(library) for library in LIBRARIES}
        | {
            "event_loop": f"{loop.__module__}.{loop.__qualname__}",
            "http": config.http_protocol_class.__qualname__,
        },
    )
