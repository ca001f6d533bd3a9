"""Turns of the event loop, awaited one after another or all at once."""

import asyncio


async def next_turn(value):
    await asyncio.sleep(0)
    return value


async def chained(n):
    total = 0
    for i in range(n):
        total += await next_turn(i)
    return total


async def parallel(n):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(next_turn(i)) for i in range(n)]
    return sum(task.result() for task in tasks)
