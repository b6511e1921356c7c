# SPDX-License-Identifier: CC0-1.0
"""Breaks a paragraph into lines so that the right margin is as even as possible.

A greedy method puts as many words on each line as will fit. It is fast, but it may leave one line very short.
The method used here looks at the paragraph as a whole: the penalty of a line is the square of the space left over,
and dynamic programming finds the line breaks with the smallest total penalty. The last line costs nothing.
"""

from __future__ import annotations

INFINITY = float("inf")


def wrap(text: str, width: int) -> list[str]:
    """Return the lines of `text`, none longer than `width` unless a single word is.

    >>> wrap("aaa bb cc ddddd", 6)
    ['aaa', 'bb cc', 'ddddd']
    """
    if width < 1:
        raise ValueError("width must be positive")
    words = text.split()
    count = len(words)
    # best[i] is the smallest penalty for words[i:]; line_end[i] says where the first line of that solution ends.
    best = [INFINITY] * count + [0.0]
    line_end = [count] * (count + 1)

    for start in range(count - 1, -1, -1):
        length = -1  # the first word of a line is not preceded by a space
        for end in range(start + 1, count + 1):
            length += 1 + len(words[end - 1])
            if length > width and end > start + 1:
                break
            penalty = _penalty(width - length, is_last=end == count) + best[end]
            if penalty < best[start]:
                best[start] = penalty
                line_end[start] = end

    lines = []
    start = 0
    while start < count:
        lines.append(" ".join(words[start : line_end[start]]))
        start = line_end[start]
    return lines


def _penalty(space: int, *, is_last: bool) -> float:
    """Return what a line with `space` free columns costs; negative space is a word that is too long to fit."""
    if is_last and space >= 0:
        return 0.0
    return float(space * space)


def raggedness(lines: list[str], width: int) -> int:
    """Return the total penalty of finished lines, for comparing two ways of breaking the same paragraph."""
    return sum((width - len(line)) ** 2 for line in lines[:-1])


if __name__ == "__main__":
    sample = (
        "The wind blew steadily from the west, and by noon every boat in the harbour had "
        "turned its bow towards the open sea."
    )
    for line in wrap(sample, 32):
        print(f"|{line:<32}|")
    print("penalty:", raggedness(wrap(sample, 32), 32))
