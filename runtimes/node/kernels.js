// The pieces of CPU work. This module is also what the threads of the pool run.
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';

const PARALLEL_BLOCK = 1_000; // candidates
const SYLLABLES = ['ba', 'ce', 'di', 'fo', 'gu', 'ha', 'je', 'ki', 'lo', 'mu', 'na', 'pe', 'qi', 'ro', 'su', 'ta'];
const HASH_MODULUS = 1_000_003;
const NATIVE_BLOCK = Buffer.alloc(65_536, 'a');

/**
 * By name. largest is the largest n; run does all of the work. What can be
 * split has part, for part k of so many workers, and merge, for the results of
 * all parts in order.
 */
export const kernels = {
  integers: { largest: 1_000_000, run: (n) => countPrimes(2, n), part: countPrimesOfPart, merge: sum },
  text: { largest: 1_000_000, run: countWords },
  objects: { largest: 1_000_000, run: sumDepths },
  native: { largest: 10_000, run: hashBlocks, part: hashBlocksOfPart, merge: hashDigests },
};

/** @param {{ kernel: string, n: number }} job */
export function compute({ kernel, n }) {
  return kernels[kernel].run(n);
}

/** @param {{ kernel: string, n: number, workers: number, part: number }} job */
export function computePart({ kernel, n, workers, part }) {
  return kernels[kernel].part(part, workers, n);
}

/** Primes from low up to below high. */
function countPrimes(low, high) {
  let count = 0;
  for (let candidate = low; candidate < high; candidate += 1) {
    if (isPrime(candidate)) count += 1;
  }
  return count;
}

function isPrime(candidate) {
  for (let divisor = 2; divisor * divisor <= candidate; divisor += 1) {
    if (candidate % divisor === 0) return false;
  }
  return true;
}

// Blocks are dealt in turn, because larger candidates take longer.
function countPrimesOfPart(part, workers, n) {
  let count = 0;
  for (let low = part * PARALLEL_BLOCK; low < n; low += workers * PARALLEL_BLOCK) {
    count += countPrimes(Math.max(low, 2), Math.min(low + PARALLEL_BLOCK, n));
  }
  return count;
}

function sum(results) {
  return results.reduce((total, result) => total + result, 0);
}

/** Counts n words made of syllables, and hashes the counts. */
function countWords(n) {
  const counts = new Map();
  let a = 1;
  let b = 1;
  for (let i = 0; i < n; i += 1) {
    a = (a * 171) % 30_269;
    b = (b * 172) % 30_307;
    const word = SYLLABLES[a % 16] + SYLLABLES[b % 16] + SYLLABLES[(a + b) % 16];
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }

  let hash = 0;
  for (const word of [...counts.keys()].sort()) {
    const line = `${word}=${counts.get(word)}`;
    for (let i = 0; i < line.length; i += 1) {
      hash = (hash * 31 + line.charCodeAt(i)) % HASH_MODULUS;
    }
  }
  return hash;
}

class TreeNode {
  left = null;
  right = null;

  constructor(key) {
    this.key = key;
  }
}

/** Builds a binary search tree of n keys, and sums the depths of its nodes. */
function sumDepths(n) {
  let a = 1;
  let b = 1;
  let root = null;
  for (let i = 0; i < n; i += 1) {
    a = (a * 171) % 30_269;
    b = (b * 172) % 30_307;
    const key = a * 30_307 + b;
    if (root === null) {
      root = new TreeNode(key);
    } else {
      insert(root, key);
    }
  }

  let total = 0;
  const stack = [[root, 1]];
  while (stack.length > 0) {
    const [node, depth] = stack.pop();
    total += depth;
    if (node.left !== null) stack.push([node.left, depth + 1]);
    if (node.right !== null) stack.push([node.right, depth + 1]);
  }
  return total;
}

function insert(root, key) {
  let node = root;
  while (key !== node.key) {
    if (key < node.key) {
      if (node.left === null) {
        node.left = new TreeNode(key);
        return;
      }
      node = node.left;
    } else {
      if (node.right === null) {
        node.right = new TreeNode(key);
        return;
      }
      node = node.right;
    }
  }
}

function hashBlocks(count) {
  const hash = createHash('sha256');
  for (let i = 0; i < count; i += 1) hash.update(NATIVE_BLOCK);
  return hash.digest('hex');
}

function hashBlocksOfPart(part, workers, n) {
  return hashBlocks(Math.max(0, Math.ceil((n - part) / workers)));
}

function hashDigests(digests) {
  const hash = createHash('sha256');
  for (const digest of digests) hash.update(digest, 'hex');
  return hash.digest('hex');
}
