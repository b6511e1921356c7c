"""The clients of the benchmarks: what each is run by, and for the peers a virtual environment made on first use."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / "benchmarks" / ".environments"
PEERS = {
    "curator": ["bespokelabs-curator==0.1.31"],
    "sdg_hub": ["sdg-hub==0.9.4"],
    "data_designer": ["data-designer==0.9.6"],  # 0.9.7 wants a certifi younger than the registry had
    "distilabel": ["distilabel[openai]==1.5.3", "requests"],  # it needs requests and does not say so
}
CONSTRAINTS = "torch==2.13.0\n"
"""For peers that bring torch: nothing here computes, so one build will do for all."""
OURS = ("agentinstruct", "without_replies", "raw_openai", "raw_aiohttp")
CLIENTS = (*OURS, *PEERS)
_QUIET = {
    "ANONYMIZED_TELEMETRY": "false",
    "DO_NOT_TRACK": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "NEMO_TELEMETRY_ENABLED": "false",
    "OTEL_SDK_DISABLED": "true",
    "TELEMETRY_ENABLED": "false",
    "TOKENIZERS_PARALLELISM": "false",
}
"""No client may send anything anywhere but to the server that measures it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What runs the chain: `python -m module`, with `environment` in addition to what every client gets."""

    name: str
    python: Path
    module: str
    environment: dict[str, str]

    def command(self, url: str, out: Path, *, chains: int, concurrency: int, resume: bool = False) -> list[str]:
        """Return the command that runs `chains` chains into `out`."""
        sizes = ["--chains", str(chains), "--concurrency", str(concurrency)]
        more = ["--resume"] if resume else []
        return [str(self.python), "-m", self.module, "--url", url, "--out", str(out), *sizes, *more]

    def variables(self, home: Path) -> dict[str, str]:
        """Return its environment; caches that it keeps at home last for one run directory."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OPENAI"))}
        more = {"PYTHONPATH": str(ROOT), "HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
        return {**kept, **_QUIET, **more, "OPENAI_API_KEY": "none", "TERM": "dumb", **self.environment}


def find_client(name: str, environments: Path) -> Client:
    """Return a client, a peer's in an environment made on first use; raises `CalledProcessError` where it fails."""
    if name in PEERS:
        folder = environments / name
        _install(folder, PEERS[name])
        variables = {"TIKTOKEN_CACHE_DIR": str(tables)} if (tables := _tables(environments)) else {}
        return Client(
            name=name, python=folder / "bin" / "python", module=f"benchmarks.peers.{name}", environment=variables
        )
    ours, variables = ("agentinstruct", {"WITHOUT_REPLIES": "1"}) if name == "without_replies" else (name, {})
    return Client(name=name, python=Path(sys.executable), module=f"benchmarks.clients.{ours}", environment=variables)


def _install(folder: Path, requirements: list[str]) -> None:
    stamp, wanted = folder / "installed.txt", "\n".join([*requirements, CONSTRAINTS])
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"installing {requirements[0]} into {folder} ...", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    constraints = folder / "constraints.txt"
    constraints.write_text(CONSTRAINTS)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--constraint", str(constraints)]
    subprocess.run([*pip, *requirements], check=True, stdout=subprocess.DEVNULL)
    stamp.write_text(wanted)


def _tables(environments: Path) -> Path | None:
    """Return the tables of tiktoken that litellm ships, so that no peer tries to download them for counting tokens."""
    return next(environments.glob("*/lib/python*/site-packages/litellm/litellm_core_utils/tokenizers"), None)
