"""Opening a teacher from what a person writes, such as `openai:MODEL` or an AutoGen component file."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage
from pydantic import ValidationError

from agentinstruct.errors import ConfigurationError
from agentinstruct.teacher.elsewhere import Elsewhere
from agentinstruct.teacher.failures import without_keys
from agentinstruct.teacher.layer import RequestOptions

WAYS = (
    "give --teacher openai:MODEL (its key in OPENAI_API_KEY, or --base-url for a server of your own), "
    "azure:DEPLOYMENT, gguf:FILE (a model file, in process; gguf:smollm2 is a small one from a package), "
    "recorded:FILE (a run's recorded replies; recorded:sample has those to seeds/sample), elsewhere:NAME (with "
    "--batch export), or an AutoGen component file ending in .json; --teacher offline fills in placeholders, to try "
    "out a flow's code"
)
"""What a person may write to name a teacher."""
AZURE_API_VERSION = "2024-10-21"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a teacher is asked; None is not sent, so the server's own default holds."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int = 4096
    timeout: float = 300.0


def open_client(
    spec: str | ChatCompletionClient | None,
    *,
    base_url: str | None = None,
    sampling: Sampling | None = None,
    concurrency: int = 64,
    keyless: bool = False,
) -> ChatCompletionClient:
    """Return the bare client that `spec` names; any AutoGen client is taken as it is.

    A component file is code: AutoGen imports whatever modules it names, so it is only loaded because the user named
    it. Raises `ConfigurationError` with the specs there are.
    """
    if isinstance(spec, ChatCompletionClient):
        return spec
    if spec is None:
        return NoTeacher({"client": "none", "model": "none"})
    sampling = sampling or Sampling()
    kind, _, name = spec.partition(":")
    if kind in ("openai", "azure") and name:
        from agentinstruct.teacher.openai import OpenAITeacher  # aiohttp takes 0.2 s to import

        return OpenAITeacher(
            name,
            base_url=base_url,
            api_version=AZURE_API_VERSION if kind == "azure" else None,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            timeout=sampling.timeout,
            concurrency=concurrency,
            keyless=keyless,
        )
    if kind == "elsewhere" and name:
        sampled = {"temperature": sampling.temperature, "top_p": sampling.top_p, "max_tokens": sampling.max_tokens}
        given = {setting: value for setting, value in sampled.items() if value is not None}
        return Elsewhere({"client": "elsewhere", "model": name, **given})
    if kind == "gguf" and name:
        from agentinstruct.teacher.gguf import open_gguf

        return open_gguf(
            name,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            timeout=sampling.timeout,
        )
    if spec == "offline":
        from agentinstruct.teacher.offline import OfflineTeacher

        return OfflineTeacher()
    if spec.endswith(".json"):
        return _load_component(Path(spec))
    raise ConfigurationError(f"no teacher {spec!r}: {WAYS}")


class NoTeacher(Elsewhere):
    """Stands where no teacher was named, for flows that ask nothing."""

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        """Raise `ConfigurationError` with the ways to name one."""
        raise ConfigurationError(f"no teacher is named: {WAYS}")


def _load_component(path: Path) -> ChatCompletionClient:
    # AutoGen's OpenAI client makes pydantic warn on each typed reply (`parsed` holds more than its type says)
    warnings.filterwarnings("ignore", message="Pydantic serializer warnings", category=UserWarning)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read the component file {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} is not JSON: {error}") from error
    try:
        return ChatCompletionClient.load_component(config)
    except Exception as error:  # AutoGen imports and runs what the file names, so anything may come out
        told = _without_input(error)
    raise ConfigurationError(
        f"{path} is not an AutoGen model client: {told}"
    )  # outside: the error may hold the file's key


def _without_input(error: Exception) -> str:
    if isinstance(error, ValidationError):
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults[:5])
    return without_keys(f"{type(error).__name__}: {error}")
