"""Turns of the event loop."""

import asyncio


async def chained(n):
    """n turns, one after another; the sum of what they bring."""
    total = 0
    for i in range(n):
        total += await asyncio.sleep(0, i)
    return total


async def parallel(n):
    """n tasks that all await the same turn; the sum of what they bring."""
    return sum(await asyncio.gather(*(turn(i) for i in range(n))))


async def turn(i):
    await asyncio.sleep(0)
    return i
