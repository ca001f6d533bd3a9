"""Pieces of CPU work: the same steps in every language of the lab."""

import hashlib
from dataclasses import dataclass

SYLLABLES = "ba ce di fo gu ha je ki lo mu na pe qi ro su ta".split()
NATIVE_BLOCK = b"a" * 65_536
INTEGER_BLOCK = 1_000  # candidates


def integers(n):
    """How many primes are below n."""
    return _count_primes(2, n)


def _count_primes(low, high):
    primes = 0
    for candidate in range(low, high):
        divisor = 2
        while divisor * divisor <= candidate:
            if candidate % divisor == 0:
                break
            divisor += 1
        else:
            primes += 1
    return primes


def text(n):
    """A hash of the counts of n pseudo-random words."""
    counts = {}
    a = b = 1
    for _ in range(n):
        a = a * 171 % 30269
        b = b * 172 % 30307
        word = SYLLABLES[a % 16] + SYLLABLES[b % 16] + SYLLABLES[(a + b) % 16]
        counts[word] = counts.get(word, 0) + 1
    result = 0
    for word in sorted(counts):
        for character in f"{word}={counts[word]}":
            result = (result * 31 + ord(character)) % 1_000_003
    return result


@dataclass(slots=True)
class Node:
    key: int
    left: "Node | None" = None
    right: "Node | None" = None


def objects(n):
    """The sum of the depths in a search tree of n pseudo-random keys."""
    root = None
    a = b = 1
    for _ in range(n):
        a = a * 171 % 30269
        b = b * 172 % 30307
        root = _insert(root, a * 30307 + b)
    return _sum_of_depths(root)


def _insert(root, key):
    """The tree with the key in it."""
    if root is None:
        return Node(key)
    node = root
    while key != node.key:
        if key < node.key:
            if node.left is None:
                node.left = Node(key)
                break
            node = node.left
        else:
            if node.right is None:
                node.right = Node(key)
                break
            node = node.right
    return root


def _sum_of_depths(root):
    total = 0
    stack = [(root, 1)]
    while stack:
        node, depth = stack.pop()
        total += depth
        if node.left is not None:
            stack.append((node.left, depth + 1))
        if node.right is not None:
            stack.append((node.right, depth + 1))
    return total


def native(n):
    """The SHA-256 of n blocks, as hex; hashlib releases the GIL in each update."""
    return _hash_blocks(n).hexdigest()


def _hash_blocks(count):
    digest = hashlib.sha256()
    for _ in range(count):
        digest.update(NATIVE_BLOCK)
    return digest


def integers_part(part, parts, n):
    """The primes in every block of candidates that is this part's."""
    return sum(
        _count_primes(max(start, 2), min(start + INTEGER_BLOCK, n))
        for start in range(part * INTEGER_BLOCK, n, parts * INTEGER_BLOCK)
    )


def native_part(part, parts, n):
    """The raw SHA-256 of the blocks that are this part's."""
    return _hash_blocks(len(range(part, n, parts))).digest()


def join_digests(digests):
    return hashlib.sha256(b"".join(digests)).hexdigest()


# The largest n that a request may ask for, by the kernel's name.
MAX_N = {"integers": 1_000_000, "text": 1_000_000, "objects": 1_000_000, "native": 10_000}
