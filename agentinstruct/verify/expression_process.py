"""The process that compares expressions: a line with two of them in, a line with 1 or 0 out.

It stands alone, on the standard library and math-verify. Each comparison runs in a fork of its own with limits on
processor time and memory, so a power tower costs its fork and no more; what ends by a limit is not equal.
"""

import json
import logging
import os
import resource
import sys
from contextlib import suppress

_SECONDS = 2
"""Processor time of one comparison; an ordinary one takes a fiftieth of a second, the first a fifth."""
_BYTES = 2 << 30
"""Address space of one comparison, of which sympy's own modules take a quarter."""


def serve() -> None:
    """Answer until standard input ends."""
    from math_verify import LatexExtractionConfig, parse, verify

    logging.disable(logging.CRITICAL)

    def equal(given: str, wanted: str) -> bool:
        form = [LatexExtractionConfig()]  # the other form is read by Python's eval
        parsed = [
            parse(f"${text}$", form, "no_fallback", "first_match", parsing_timeout=None) for text in (wanted, given)
        ]
        return all(parsed) and bool(verify(*parsed, timeout_seconds=None))

    equal("1+x", "\\frac{x}{1}+1")  # builds the grammar once, before the first fork
    for line in sys.stdin:
        given, wanted = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                _limit()
                code = 0 if equal(given, wanted) else 1
            finally:
                os._exit(code)  # also when memory ran out: neither the loop nor the pipes are the fork's
        _, status = os.waitpid(child, 0)
        sys.stdout.write("1\n" if status == 0 else "0\n")
        sys.stdout.flush()


def _limit() -> None:
    limits = {
        resource.RLIMIT_CPU: _SECONDS,
        resource.RLIMIT_AS: _BYTES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
    }
    for kind, most in limits.items():
        with suppress(ValueError, OSError):  # a system that knows no such limit, or has a lower one already
            resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    serve()
