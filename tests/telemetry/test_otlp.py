"""`generate --otel`: spans that reach a real collector over HTTP, and collectors that are gone, broken or silent."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agentinstruct.paths import SEEDS
from tests.cli.test_cli import environment
from tests.engine import dataset_bytes

pytestmark = pytest.mark.slow

PROBLEMS = str(SEEDS / "sample" / "word_problems.jsonl")
GENERATE = ("generate", PROBLEMS, "--flow", "math_word_problems", "--limit", "2", "-t", "recorded:sample")


class Collector(ThreadingHTTPServer):
    """Keeps what it is sent; answers with `status`, or not before it is closed where that is None."""

    daemon_threads = True

    def __init__(self) -> None:
        self.status: int | None = 200
        self.requests: list[ExportTraceServiceRequest] = []
        self.tokens: list[str | None] = []
        self.closed = threading.Event()
        super().__init__(("127.0.0.1", 0), _Receiver)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status is None:
            self.server.closed.wait(60)
            return
        self.server.tokens.append(self.headers["x-token"])
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *_arguments: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.closed.set()
    server.shutdown()
    thread.join()
    server.server_close()


def run(folder: Path, *words: str, before: str = "pass", **more: str) -> subprocess.CompletedProcess[str]:
    start = f"import sys; {before}; sys.argv[0] = 'agentinstruct'; from agentinstruct import cli; cli.main()"
    return subprocess.run(
        [sys.executable, "-c", start, *words],
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_spans_reach_the_collector_of_the_environment(collector: Collector, tmp_path: Path) -> None:
    done = run(
        tmp_path,
        *GENERATE,
        "--otel",
        "-o",
        "run",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_EXPORTER_OTLP_HEADERS="x-token=a-token",
        OTEL_SERVICE_NAME="night shift",
    )
    assert done.returncode == 0
    assert "spans did not reach" not in done.stderr
    assert set(collector.tokens) == {"a-token"}
    resources = [part for request in collector.requests for part in request.resource_spans]
    services = {
        each.value.string_value for part in resources for each in part.resource.attributes if each.key == "service.name"
    }
    assert services == {"night shift"}
    names = [span.name.split()[0] for part in resources for scope in part.scope_spans for span in scope.spans]
    assert names.count("run") == 1
    assert names.count("item") == 2
    assert names.count("chat") > 10


@pytest.mark.parametrize("status", [400, 500, None])
def test_a_broken_or_silent_collector_costs_one_sentence_and_no_pair(
    collector: Collector, tmp_path: Path, status: int | None
) -> None:
    collector.status = status
    quick = {"OTEL_BSP_SCHEDULE_DELAY": "10", "OTEL_BSP_MAX_QUEUE_SIZE": "16", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "8"}
    alone = run(tmp_path, *GENERATE, "-o", "alone")
    watched = run(tmp_path, *GENERATE, "--otel", "-o", "run", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **quick)
    assert watched.returncode == 0
    assert watched.stdout == alone.stdout.replace("alone", "run")
    (told,) = [line for line in watched.stderr.splitlines() if line not in alone.stderr.splitlines()]
    lost, _, ended = told.split()[:3]
    assert lost == ended
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in told
    assert dataset_bytes(tmp_path / "run") == dataset_bytes(tmp_path / "alone")


def test_a_protocol_that_is_not_spoken_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    done = run(tmp_path, *GENERATE, "--otel", "-o", "run", OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    assert done.returncode == 2
    assert "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc'" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_missing_extra_names_the_command_that_installs_it(tmp_path: Path) -> None:
    done = run(tmp_path, *GENERATE, "--otel", "-o", "run", before="sys.modules['opentelemetry.sdk'] = None")
    assert done.returncode == 2
    assert done.stderr.startswith("agentinstruct: ")
    assert "pip install 'agentinstruct[otel]'" in done.stderr
