"""python -m lab_app.granian_server: the application on Granian.

This process accepts no connection: it starts a worker process, which does, and watches it.
"""

import asyncio
from importlib.metadata import version

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels

from lab_app import asgi
from lab_app.identity import describe
from lab_app.settings import (
    BACKLOG,
    EVENT_LOOP,
    HOST,
    KEEP_ALIVE_S,
    PORT,
    SHUTDOWN_GRACE_S,
    WORKERS,
)

OPTIONS = {
    "address": HOST,
    "port": PORT,
    "interface": Interfaces.ASGI,
    "factory": True,
    "workers": WORKERS,
    "loop": Loops(EVENT_LOOP),
    "http": HTTPModes.http1,
    "http1_settings": HTTP1Settings(
        # Granian keeps an idle connection for as long as this. Its command line takes
        # at most 60 s.
        header_read_timeout=KEEP_ALIVE_S * 1000,
    ),
    "websockets": False,
    "backlog": BACKLOG,
    # The limit is of connections, idle ones included: those above it would wait to be
    # accepted, and the default is the backlog.
    "backpressure": 32_768,
    "log_level": LogLevels.warning,
    "log_access": False,
    "workers_kill_timeout": SHUTDOWN_GRACE_S,
}


def create_app():
    return read_past(asgi.create_app(identity))


def read_past(app):
    """Returns an application that reads and drops what app leaves of a body: Granian
    closes the connection of a request whose body is not read to its end."""

    async def wrapped(scope, receive, send):
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await app(scope, receive, send)
            return
        more = True

        async def received():
            nonlocal more
            message = await receive()
            more = message.get("more_body", False)
            return message

        await app(scope, received, send)
        while more:
            await received()

    return wrapped


def identity():
    """The answer to GET /identity."""
    loop = type(asyncio.get_running_loop())
    return describe(
        workers=OPTIONS["workers"],
        backlog=OPTIONS["backlog"],
        keep_alive_s=OPTIONS["http1_settings"].header_read_timeout / 1000,
        access_log=OPTIONS["log_access"],
        build={library: version(library) for library in ("granian", "uvloop", "aiohttp")}
        | {"event_loop": f"{loop.__module__}.{loop.__qualname__}", "http": "hyper"},
    )


# The worker process imports this module too.
if __name__ == "__main__":
    Granian("lab_app.granian_server:create_app", **OPTIONS).serve()
