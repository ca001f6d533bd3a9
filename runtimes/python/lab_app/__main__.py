"""The process: listens, and ends when told to."""

import os
import signal
import sys

import uvicorn

from lab_app.app import create_app
from lab_app.identity import describe

MODEL = os.environ.get("WORKER_MODEL") or "single"
WORKERS = 1
SHUTDOWN_GRACE_S = 3


def main():
    # uvicorn raises the signal again once it is done; this makes it exit 0
    # instead of a death by signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))

    config = uvicorn.Config(
        create_app(lambda: describe(config, MODEL, WORKERS)),
        host=os.environ.get("HOST") or "127.0.0.1",
        port=int(os.environ.get("PORT") or 8080),
        interface="asgi3",
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=4096,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=SHUTDOWN_GRACE_S,
    )
    uvicorn.Server(config).run()


main()
