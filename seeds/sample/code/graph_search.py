# SPDX-License-Identifier: CC0-1.0
"""Shortest paths in a weighted graph with Dijkstra's algorithm, and the order of tasks that depend on each other.

A graph is a dictionary: each node maps to its neighbours, and each neighbour to the length of the edge.
"""

from __future__ import annotations

import heapq
from collections import deque

Graph = dict[str, dict[str, float]]


def shortest_path(graph: Graph, start: str, goal: str) -> tuple[float, list[str]]:
    """Return the length of the shortest path from `start` to `goal`, and its nodes.

    Edges must not have a negative length, since Dijkstra's algorithm never looks again at a node that it has left.
    Returns infinity and an empty list if `goal` cannot be reached.
    """
    distance = {start: 0.0}
    came_from: dict[str, str] = {}
    finished: set[str] = set()
    queue = [(0.0, start)]

    while queue:
        length, node = heapq.heappop(queue)
        if node in finished:
            continue  # an outdated entry: a shorter way to this node was found after it had been queued
        if node == goal:
            return length, _walk_back(came_from, start, goal)
        finished.add(node)
        for neighbour, edge in graph.get(node, {}).items():
            if edge < 0:
                raise ValueError(f"negative edge from {node} to {neighbour}")
            candidate = length + edge
            if candidate < distance.get(neighbour, float("inf")):
                distance[neighbour] = candidate
                came_from[neighbour] = node
                heapq.heappush(queue, (candidate, neighbour))

    return float("inf"), []


def _walk_back(came_from: dict[str, str], start: str, goal: str) -> list[str]:
    path = [goal]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]


def order_tasks(needs: dict[str, set[str]]) -> list[str]:
    """Return all tasks so that each comes after the tasks it needs; raise ValueError if they form a circle.

    >>> order_tasks({"bake": {"mix", "heat oven"}, "mix": {"buy flour"}})
    ['buy flour', 'heat oven', 'mix', 'bake']
    """
    tasks = set(needs).union(*needs.values())
    open_needs = {task: set(needs.get(task, ())) for task in tasks}
    ready = deque(sorted(task for task in tasks if not open_needs[task]))
    ordered = []
    while ready:
        done = ready.popleft()
        ordered.append(done)
        for task in sorted(tasks):
            if done in open_needs[task]:
                open_needs[task].remove(done)
                if not open_needs[task]:
                    ready.append(task)
    if len(ordered) < len(tasks):
        raise ValueError("these tasks wait for each other: " + ", ".join(sorted(tasks - set(ordered))))
    return ordered


if __name__ == "__main__":
    roads = {
        "Aberdeen": {"Dundee": 66, "Inverness": 104},
        "Dundee": {"Edinburgh": 63, "Perth": 22},
        "Perth": {"Edinburgh": 44, "Inverness": 112},
        "Inverness": {},
    }
    print(shortest_path(roads, "Aberdeen", "Edinburgh"))
