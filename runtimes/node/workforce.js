// Who does the CPU work of a request. A workforce has compute and computePart
// like kernels.js, here or elsewhere, at once or later, and parallelism: how
// many parts it does at the same time.
import { compute, computePart, kernels } from './kernels.js';

/** The event loop of this process does the work itself; all else waits. */
export const eventLoop = { compute, computePart, parallelism: 1 };

/** Splits a job into so many parts, and gives what their results come to. */
export async function computeInParts(workforce, { kernel, n, workers }) {
  const parts = Array.from({ length: workers }, (_, part) => workforce.computePart({ kernel, n, workers, part }));
  return kernels[kernel].merge(await Promise.all(parts));
}
