// Turns of the event loop.
import { setImmediate as nextTurn } from 'node:timers/promises';

/** n turns, one after another; the sum of what they bring. */
export async function chained(n) {
  let total = 0;
  for (let i = 0; i < n; i += 1) total += await nextTurn(i);
  return total;
}

/** n tasks that all await the same turn; the sum of what they bring. */
export async function parallel(n) {
  const brought = await Promise.all(Array.from({ length: n }, (_, i) => nextTurn(i)));
  return brought.reduce((total, i) => total + i, 0);
}
