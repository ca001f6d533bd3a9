// The bytes of GET /stream.
import { Buffer } from 'node:buffer';
import { Readable } from 'node:stream';

export const MAX_UPLOAD_BYTES = 16_777_216;

export const CHUNK = Buffer.from(Uint8Array.from({ length: 65_536 }, (_, i) => i % 251));
export const CHUNKS_PER_MIB = 1_048_576 / CHUNK.length;

/** Gives chunks only as fast as they are taken. */
export function download(mib) {
  let left = mib * CHUNKS_PER_MIB;
  return new Readable({
    highWaterMark: CHUNK.length,
    read() {
      this.push(left > 0 ? CHUNK : null);
      left -= 1;
    },
  });
}
