"""The pool of connections to a teacher's server: sends one JSON body, brings back one whole reply, follows nothing.

It stands straight on aiohttp: OpenAI's own client costs ten times as much a call, most of it for what is done here.
"""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Mapping
from io import BytesIO
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from agentinstruct.errors import ConfigurationError
from agentinstruct.teacher.layer import public_url

LARGEST_REPLY = 32 * 2**20
"""Bytes. The longest replies models give are a few hundred kilobytes; a body without end must not fill the memory."""
_LARGE = 2**20
"""Bytes. aiohttp warns of larger bodies that are not sent piece by piece."""


class Reply(NamedTuple):
    """What a server sent back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Proxy(NamedTuple):
    """What stands between: its URL, and the headers that are for it alone."""

    url: str
    headers: Mapping[str, str]


class Connection:
    """A pool for `concurrency` calls at once to the server at `url`; it opens with the first call.

    `headers` hold the key. It serves one event loop until it is closed, and then may serve another.
    """

    def __init__(self, url: str, headers: Mapping[str, str], *, concurrency: int) -> None:
        self._encrypted = url.startswith("https:")
        self._concurrency = concurrency
        self._proxy = find_proxy(url)
        # to a server in the open a proxy takes the request itself, else only the one to be let through
        for_proxy = self._proxy.headers if self._proxy and not self._encrypted else {}
        self._headers = {**headers, **for_proxy}
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes) -> Reply:
        """Send `body` and return the reply, whatever its status.

        Raises `OSError` where the reply is too large or compressed, and `aiohttp.ClientError` for a broken connection:
        that one holds the headers, so it must not get any further.
        """
        if self._session is None:
            self._session = self._open()
        # The headers are not the session's own: aiohttp would tell those to the proxy as well.
        async with self._session.post(
            url,
            data=body if len(body) < _LARGE else BytesIO(body),
            headers=self._headers,
            allow_redirects=False,  # the questions, and Azure's key, would travel on to wherever it says
            proxy=self._proxy and self._proxy.url,
            proxy_headers=self._proxy and self._proxy.headers,
        ) as response:
            check_coding(response.headers)
            pieces, size = [], 0
            async for piece in response.content.iter_any():
                size += len(piece)
                check_size(size)
                pieces.append(piece)
            return Reply(response.status, response.headers, b"".join(pieces))

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=self._concurrency, keepalive_timeout=60, ssl=_trust() if self._encrypted else True
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # whoever asks bounds the whole attempt
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Close all connections; a later call opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def check_coding(headers: Mapping[str, str]) -> None:
    """Raise `OSError` for a compressed body, which could grow without bounds behind the cap on its size."""
    coding = headers.get("content-encoding", "")
    if coding.lower() not in ("", "identity"):
        raise OSError(f"the reply is compressed ({coding[:40]}), which was not asked for")


def check_size(size: int) -> None:
    """Raise `OSError` for a body of more than `LARGEST_REPLY` bytes."""
    if size > LARGEST_REPLY:
        raise OSError(f"the reply is larger than {LARGEST_REPLY // 2**20} MB")


def find_proxy(url: str) -> Proxy | None:
    """Return the proxy that the environment sets for `url`; raises `ConfigurationError` for one that cannot be used.

    It does not look into `.netrc`, as aiohttp would: an entry for the server's host would take the place of the key.
    """
    parts = urlsplit(url)
    proxies = getproxies()
    given = proxies.get(parts.scheme) or proxies.get("all")
    if not given or proxy_bypass(parts.netloc):
        return None
    given = given if "://" in given else f"http://{given}"
    if not is_http(given):
        raise ConfigurationError(
            f"the proxy {public_url(given)!r} that the environment sets is none that can be used here: "
            "set one of the form http://host:port, or add the server to NO_PROXY"
        )
    found = urlsplit(given)
    headers = {}
    if found.username is not None:
        words = f"{unquote(found.username)}:{unquote(found.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {b64encode(words.encode()).decode()}"
    return Proxy(public_url(given), headers)


def is_http(url: str) -> bool:
    """Tell whether `url` names a server that HTTP can be spoken with."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or half an IPv6 address
        return False


def _trust() -> ssl.SSLContext:
    # the same certificates as OpenAI's own client takes: SSL_CERT_FILE, else the system's, else those of a package
    from httpx2 import create_ssl_context

    context = create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
