"""The test server as a process of its own, as tests that kill their client need it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path


def test_the_server_runs_as_a_process_and_tells_its_counts() -> None:
    command = [sys.executable, "-m", "tests.openai_server", "--batch-seconds", "0.1"]
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Eight."}]}).encode()
        for _ in range(2):
            request = urllib.request.Request(f"{base_url}/chat/completions", body)
            with urllib.request.urlopen(request) as reply:
                assert json.load(reply)["choices"][0]["message"]["content"] == "Eight."
        with urllib.request.urlopen(base_url.removesuffix("/v1") + "/stats") as reply:
            stats = json.load(reply)
        process.communicate("")
    assert (stats["requests"], stats["distinct"], stats["duplicates"]) == (2, 1, 1)
    assert stats["batches"]["lines_asked"] == 0
    assert process.returncode == 0
