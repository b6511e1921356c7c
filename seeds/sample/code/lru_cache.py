# SPDX-License-Identifier: CC0-1.0
"""A cache of limited size that forgets what has not been used for the longest time.

The cache keeps its entries in a dictionary (for finding them) and in a doubly linked list (for their order of use).
Both `get` and `put` take constant time, however many entries there are.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any


class _Node:
    """One entry; the list is a ring, so no node ever lacks a neighbour."""

    __slots__ = ("key", "next", "previous", "value")

    def __init__(self, key: Hashable = None, value: Any = None) -> None:
        self.key = key
        self.value = value
        self.previous: _Node = self
        self.next: _Node = self


class LRUCache:
    """Holds at most `capacity` entries and drops the least recently used one when it is full."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError("capacity must be at least 1")
        self.capacity = capacity
        self.hits = 0
        self.misses = 0
        self._nodes: dict[Hashable, _Node] = {}
        # The sentinel holds no entry: after it comes the newest node, before it the oldest.
        self._sentinel = _Node()

    def __len__(self) -> int:
        return len(self._nodes)

    def get(self, key: Hashable, default: Any = None) -> Any:
        """Return the value of `key` and mark it as just used; return `default` if it is not there."""
        node = self._nodes.get(key)
        if node is None:
            self.misses += 1
            return default
        self.hits += 1
        self._unlink(node)
        self._link_as_newest(node)
        return node.value

    def put(self, key: Hashable, value: Any) -> None:
        """Store `value` under `key`, dropping the oldest entry if there is no room."""
        node = self._nodes.get(key)
        if node is not None:
            node.value = value
            self._unlink(node)
        else:
            if len(self._nodes) == self.capacity:
                oldest = self._sentinel.previous
                self._unlink(oldest)
                del self._nodes[oldest.key]
            node = self._nodes[key] = _Node(key, value)
        self._link_as_newest(node)

    def keys(self) -> list[Hashable]:
        """Return the keys, the most recently used first."""
        found = []
        node = self._sentinel.next
        while node is not self._sentinel:
            found.append(node.key)
            node = node.next
        return found

    def _unlink(self, node: _Node) -> None:
        node.previous.next = node.next
        node.next.previous = node.previous

    def _link_as_newest(self, node: _Node) -> None:
        node.previous = self._sentinel
        node.next = self._sentinel.next
        node.next.previous = node
        self._sentinel.next = node


if __name__ == "__main__":
    cache = LRUCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.get("a")  # "b" is now the entry that was used least recently
    cache.put("c", 3)
    print(cache.keys())  # ['c', 'a']
    print(cache.get("b", "gone"))  # gone
