"""Keeps other libraries' loggers from working for nobody while a run makes thousands of calls."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

AUTOGEN = ("autogen_core", "autogen_agentchat")
"""The loggers above AutoGen's event and trace loggers. Below warnings these tell every message of every call, whole."""


@contextmanager
def only_asked_for(*names: str, level: int = logging.CRITICAL + 1) -> Iterator[None]:
    """Keep the loggers of these `names`, and those below them, from saying what is below `level`.

    A logger has been asked for when it has a level of its own, as opposed to its parent's; such a one is left alone.
    """
    loggers = [logging.getLogger(name) for name in names]
    inherited = [logger for logger in loggers if logger.level == logging.NOTSET]
    for logger in inherited:
        logger.setLevel(max(level, logger.getEffectiveLevel()))
    try:
        yield
    finally:
        for logger in inherited:
            logger.setLevel(logging.NOTSET)
