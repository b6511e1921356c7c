"""What a failed call means: wait and try again, refuse this one item, or stop the run and fix something."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from agentinstruct.errors import AgentInstructError, Rejected, TeacherRefused, TeacherUnavailable

_LIKE_A_KEY = re.compile(r"\b((sk|pk|gsk|xai|hf)[-_]|AIza)[A-Za-z0-9_*.-]{6,}")
_CURABLE = {408, 409, 425, 429}
_TOO_LONG = ("context_length_exceeded", "string_above_max_length", "exceed_context_size_error")


def failure_of(
    status: int, body: object, headers: Mapping[str, str], *, model: str, endpoint: str, key_variable: str
) -> AgentInstructError:
    """Return the error for a reply with an error status; the caller scrubs keys from `body` beforehand."""
    message, code = _told(body)
    said = f"; it says: {message}" if message else ""
    if status == 400 and code in ("content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"):
        return Rejected("content_filter", message)
    if status == 413 or (status == 400 and (code in _TOO_LONG or "maximum context length" in message)):
        return Rejected("too_long", message)
    if status == 429 and code == "insufficient_quota":
        return TeacherRefused(f"the account behind {key_variable} has no credit left at {endpoint}{said}")
    if may_be_cured(status):
        return TeacherUnavailable(
            f"the teacher at {endpoint} answered {status}{said}",
            retry_after=retry_after(headers),
            throttled=status == 429,
            perhaps_billed=False,
        )
    cure = {
        301: (moved := f"{endpoint} sends questions on to another place, where they do not go: check --base-url"),
        302: moved,
        303: moved,
        307: moved,
        308: moved,
        401: f"{endpoint} does not accept the key in {key_variable}: check that variable",
        403: f"the key in {key_variable} may not use {model!r} at {endpoint}: check its rights or take another model",
        404: f"{endpoint} does not know the model {model!r}, or is not an OpenAI-compatible base URL (most end in "
        "/v1): check the model's name and --base-url",
    }
    default = f"{endpoint} refuses the request for {model!r} with status {status}: check the model and its settings"
    return TeacherRefused(f"{cure.get(status, default)}{said}")


def may_be_cured(status: int) -> bool:
    """Tell whether another try may get another answer than this error status."""
    return status in _CURABLE or status >= 500


def without_keys(text: str) -> str:
    """Return `text` with everything that looks like a provider's key blotted out."""
    return _LIKE_A_KEY.sub("[key]", text)


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return the wait in seconds a server asks for, told in milliseconds, in seconds or as a date.

    A date is read against the server's own clock (`Date`), where it tells that, since ours may be wrong.
    """
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    if value is None:
        return None
    if (seconds := _number(value)) is not None:
        return seconds
    if (until := _date(value)) is None:
        return None
    server_now = _date(headers.get("date"))
    reference = server_now if server_now is not None else time.time() if now is None else now
    return max(0.0, until - reference)


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 0 <= number < 1e9 else None  # also turns away nan and inf


def _date(value: str | None) -> float | None:
    try:
        return parsedate_to_datetime(value or "").timestamp()
    except (ValueError, OverflowError):
        return None


def _told(body: object) -> tuple[str, str]:
    """Return message and code of an error body in any of the shapes servers use."""
    match body:
        case {"error": {**error}}:
            return _told(error)
        case {**error} if isinstance(text := error.get("message") or error.get("detail") or error.get("error"), str):
            code = error.get("code")  # llama.cpp repeats the status there, and names the error in `type`
            return _short(text), str((code if isinstance(code, str) else "") or error.get("type") or "")
        case str():
            return _short(body), ""
        case _:
            return "", ""


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 300 else f"{words[:300]}…"
