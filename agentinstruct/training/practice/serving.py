"""Starts a server that has a student, for as long as it is asked: vLLM, or whatever a command line starts."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from agentinstruct.errors import ConfigurationError

_PATIENCE = 1800.0
"""Seconds a server may take to load a student."""
_TURN = 0.5


@contextmanager
def served(command: Sequence[str], model: str | Path, base_url: str, log: Path) -> Iterator[None]:
    """Run `command`, in which `{model}` stands for the student, until the block ends; its words go to `log`.

    Waits until `base_url`/models answers. Raises `ConfigurationError` where the server ends before that, or another one
    answers there already: its student would be taken for this one.
    """
    if _answers(base_url):
        raise ConfigurationError(f"{base_url} answers already: stop the server there, or give another address")
    words = [word.replace("{model}", str(model)) for word in command]
    with log.open("ab") as file:
        try:
            server = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
        except OSError as error:
            raise ConfigurationError(f"cannot start the server {words[0]}: {error.strerror}") from error
        try:
            _wait(server, words, base_url, log)
            yield
        finally:
            server.terminate()
            try:
                server.wait(timeout=60)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait(server: subprocess.Popen[bytes], words: Sequence[str], base_url: str, log: Path) -> None:
    last = time.monotonic() + _PATIENCE
    while not _answers(base_url):
        if server.poll() is not None:
            raise ConfigurationError(f"the server {words[0]} ended with code {server.returncode}: see {log}")
        if time.monotonic() > last:
            raise ConfigurationError(f"the server {words[0]} does not answer at {base_url}: see {log}")
        time.sleep(_TURN)


def _answers(base_url: str) -> bool:
    try:
        with urlopen(f"{base_url.rstrip('/')}/models", timeout=5) as reply:
            return bool(reply.status == 200)
    except (URLError, OSError, ValueError):
        return False
