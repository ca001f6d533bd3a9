"""What the environment says of how to serve, and what follows from it."""

import os

HOST = os.environ.get("HOST") or "127.0.0.1"
PORT = int(os.environ.get("PORT") or 8080)
DATABASE_URL = os.environ.get("DATABASE_URL")  # none: the application has no shop
UPSTREAM_URL = os.environ.get("UPSTREAM_URL") or "http://127.0.0.1:8081"

MODEL = os.environ.get("WORKER_MODEL") or "single"  # single, processes or threads
FRAMEWORK = os.environ.get("FRAMEWORK") or "none"  # on uvicorn: see server
EVENT_LOOP = os.environ.get("EVENT_LOOP") or "uvloop"  # uvloop or asyncio

CPUS = os.process_cpu_count() or 1  # those of the affinity mask
WORKERS = CPUS if MODEL == "processes" else 1  # processes that accept requests
PARALLELISM = 1 if MODEL == "single" else CPUS  # parts of one request at once

# Requests at once in the variant whose requests have a thread each. gunicorn's
# documentation advises two to four for each CPU, which is enough for requests that
# compute; more are for those that wait, for an upstream or a slow client, and take
# no CPU meanwhile. What comes beyond them waits for a thread.
THREADS = 32

BACKLOG = 4096
KEEP_ALIVE_S = 75
SHUTDOWN_GRACE_S = 3
