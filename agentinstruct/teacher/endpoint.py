"""Where an OpenAI-compatible server is, and what to tell it. The key lives here and is never shown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

from agentinstruct.errors import ConfigurationError
from agentinstruct.teacher.connection import is_http
from agentinstruct.teacher.failures import without_keys
from agentinstruct.teacher.layer import public_url

if TYPE_CHECKING:
    import openai

OPENAI = "https://api.openai.com/v1"
_ACCOUNT = {"OPENAI_ORG_ID": "OpenAI-Organization", "OPENAI_PROJECT_ID": "OpenAI-Project"}
"""Variables that say who pays, and the headers that tell it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A server and the right to use it. `api_version` makes it an Azure one."""

    url: str
    key: str = field(repr=False)
    key_variable: str
    api_version: str | None = None
    account: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def find(
        cls,
        base_url: str | None,
        *,
        api_version: str | None = None,
        key_variable: str | None = None,
        keyless: bool = False,
    ) -> Endpoint:
        """Complete what was given from the environment; raises `ConfigurationError` that says what to set."""
        azure = api_version is not None
        variable = key_variable or ("AZURE_OPENAI_API_KEY" if azure else "OPENAI_API_KEY")
        url = base_url or os.environ.get("AZURE_OPENAI_ENDPOINT" if azure else "OPENAI_BASE_URL")
        if azure and not url:
            raise ConfigurationError(
                "an Azure teacher needs its resource: give --base-url or set AZURE_OPENAI_ENDPOINT"
            )
        url = (url or OPENAI).rstrip("/")
        if not is_http(url):
            raise ConfigurationError(f"the base URL {public_url(url)!r} is not of the form http://host:port/v1")
        if urlsplit(url).username is not None:
            raise ConfigurationError(f"the base URL {public_url(url)} must hold no user: give the key in {variable}")
        key = _from_environment(variable, "key")
        told = {header: _from_environment(name, "name") for name, header in _ACCOUNT.items()}
        if not key and not keyless and (azure or key_variable or _is_openai(url)):
            raise ConfigurationError(
                f"no key for {public_url(url)}: set the environment variable {variable}, "
                "or give --base-url for a server that needs none"
            )
        account = {header: value for header, value in told.items() if value}
        return cls(url=url, key=key or "none", key_variable=variable, api_version=api_version, account=account)

    @property
    def is_openai(self) -> bool:
        """Whether it is OpenAI's own, and not merely compatible."""
        return self.api_version is None and _is_openai(self.url)

    @property
    def shown(self) -> str:
        """The URL without anything secret."""
        return public_url(self.url)

    def scrub(self, text: str) -> str:
        """Return `text` with the key, and anything that looks like one, blotted out."""
        if len(self.key) >= 5:  # a dummy such as "none" is a word, and no secret
            for form in {self.key, quote(self.key, safe="")}:
                text = text.replace(form, "[key]")
        return without_keys(text)

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries, the key with it."""
        right = {"api-key": self.key} if self.api_version is not None else {"Authorization": f"Bearer {self.key}"}
        return {
            **right,
            **self.account,
            "Content-Type": "application/json",
            "Accept": "application/json",
            # a compressed body could grow without bounds behind the cap on its size
            "Accept-Encoding": "identity",
            "User-Agent": f"agentinstruct/{version('agentinstruct')}",
        }

    def address(self, model: str) -> str:
        """Return the URL at which `model` is asked; on Azure a model is a deployment with a URL of its own."""
        parts = urlsplit(self.url)
        path, query = parts.path.rstrip("/"), [parts.query] if parts.query else []
        if self.api_version is not None:
            path += f"/openai/deployments/{quote(model, safe='')}"
            query.append(f"api-version={quote(self.api_version, safe='')}")
        return urlunsplit((parts.scheme, parts.netloc, f"{path}/chat/completions", "&".join(query), ""))

    def connect(self, *, concurrency: int, timeout: float, whole_files: bool = False) -> openai.AsyncOpenAI:
        """Open OpenAI's own client, for files and batches; it takes half a second to import.

        For `whole_files` no body is too long: whoever asks reads it piece by piece.
        """
        from agentinstruct.teacher.official import open_official

        return open_official(
            self.url,
            self.key,
            api_version=self.api_version,
            concurrency=concurrency,
            timeout=timeout,
            whole_files=whole_files,
        )


def _from_environment(variable: str, kind: str) -> str:
    value = os.environ.get(variable, "").strip()
    if not (value.isascii() and value.isprintable()):
        raise ConfigurationError(f"the {kind} in {variable} holds characters that no {kind} has: set it again")
    return value


def _is_openai(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host == "api.openai.com" or host.endswith(".api.openai.com")
