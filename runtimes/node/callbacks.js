// Turns of the event loop.
import { setImmediate } from 'node:timers/promises';

/** n turns, one after another; the sum of what they bring. */
export async function chained(n) {
  let total = 0;
  for (let i = 0; i < n; i += 1) total += await setImmediate(i);
  return total;
}

/** n calls that all await the same turn; the sum of what they bring. */
export async function parallel(n) {
  const brought = await Promise.all(Array.from({ length: n }, (_, i) => turn(i)));
  return brought.reduce((total, i) => total + i, 0);
}

async function turn(i) {
  await setImmediate();
  return i;
}
