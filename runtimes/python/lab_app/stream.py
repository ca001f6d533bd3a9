"""Bodies that are sent and read in pieces, and never held."""

CHUNK = bytes(i % 251 for i in range(65_536))
CHUNKS_PER_MIB = 1_048_576 // len(CHUNK)
MAX_MIB = 64
MAX_BODY_BYTES = 16_777_216


def chunks(mib):
    for _ in range(mib * CHUNKS_PER_MIB):
        yield CHUNK
