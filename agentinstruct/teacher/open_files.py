"""How many files this process may have open at once: each call in flight has a connection, and each of those is one."""

from __future__ import annotations

from agentinstruct.errors import ConfigurationError

_OTHERS = 128
"""Files beside the connections: the journal's three, Parquet, seeds being read, libraries, the terminal."""


def allow_connections(count: int) -> None:
    """Raise the soft limit of open files to hold `count` connections where it is lower, as it is on many systems.

    Raises `ConfigurationError` where the hard limit does not allow it: calls would fail one by one, and be retried.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    wanted = count + _OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    most = hard if hard != resource.RLIM_INFINITY else wanted
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, most), hard))
    except (ValueError, OSError):  # the system has a limit of its own
        most = soft
    if most < wanted:
        raise ConfigurationError(
            f"{count:,} calls at once need {wanted:,} open files and this process may have {most:,}: "
            "lower the concurrency, or raise the limit (`ulimit -Hn`)"
        )
