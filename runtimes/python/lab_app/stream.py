"""Bodies that are sent and read in pieces, and never held."""

import asyncio

CHUNK = bytes(i % 251 for i in range(65_536))
CHUNKS_PER_MIB = 1_048_576 // len(CHUNK)
MAX_MIB = 64
MAX_BODY_BYTES = 16_777_216


def chunks(mib):
    for _ in range(mib * CHUNKS_PER_MIB):
        yield CHUNK


async def chunks_in_turns(mib):
    """The chunks, with a turn of the event loop after each: sending one to a client
    that keeps up waits for nothing, and others are to be served meanwhile."""
    for chunk in chunks(mib):
        yield chunk
        await asyncio.sleep(0)
