"""Where an ASGI application does CPU work: by the variant's worker model.

Each has compute(), which runs one kernel, and parts(), which runs a kernel's
parts at the same time as far as the model can; results come in the parts' order.
"""

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import cached_property


class Inline:
    """On the event loop, which does nothing else meanwhile."""

    async def compute(self, kernel, n):
        return kernel(n)

    async def parts(self, part, count, n):
        return [part(k, count, n) for k in range(count)]

    def close(self):
        pass


class Threads:
    """In a pool of threads: the event loop keeps turning. With a GIL it and the
    threads take turns, except in native code that releases it."""

    def __init__(self, size):
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="cpu")

    async def compute(self, kernel, n):
        return await asyncio.get_running_loop().run_in_executor(self._pool, kernel, n)

    async def parts(self, part, count, n):
        return await _run_parts(self._pool, part, count, n)

    def close(self):
        self._pool.shutdown(wait=False, cancel_futures=True)


class Processes(Inline):
    """Kernels on the event loop of the worker process that accepted the request,
    as the other workers go on; parts in a pool of processes, as one request
    cannot reach the other workers."""

    def __init__(self, size):
        self._size = size

    @cached_property
    def _pool(self):
        # Made for the first request that needs it: every worker has its own, and
        # size * size interpreters are much for a server that computes no parts.
        # They are spawned, as uvicorn's workers are: forking a process that has
        # threads is not safe, and the fork server wants a directory to write to.
        return ProcessPoolExecutor(self._size, mp_context=multiprocessing.get_context("spawn"))

    async def parts(self, part, count, n):
        return await _run_parts(self._pool, part, count, n)

    def close(self):
        if "_pool" in self.__dict__:
            self._pool.terminate_workers()


async def _run_parts(pool, part, count, n):
    loop = asyncio.get_running_loop()
    return await asyncio.gather(
        *(loop.run_in_executor(pool, part, k, count, n) for k in range(count))
    )
