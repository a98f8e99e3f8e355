"""Tokens, and the three ways to send one.

httpx is imported only when a request is near: settings need `Secret` long before.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from versori_magics.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx

AUTH_KINDS = ("auto", "bearer", "jwt", "cookie")
# platform-api, observed: long-lived JWTs of the "Signing keys" page have this issuer and go as `Authorization: JWT`.
SIGNING_KEY_ISSUER = "https://versori.com/sk/"
MASK = "***"
_TOKEN = re.compile(r"[\x21-\x7e]+")


class Secret:
    """A text that prints as ``***``; only `reveal` gives it.

    Parameters
    ----------
    value : str
        The secret.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself; call it as late as possible and keep the result in no variable."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled or copied to a file")

    def __deepcopy__(self, memo: object) -> Secret:
        return self


def read_token(token: str | Secret) -> Secret:
    """Return a token that can be sent as a header.

    Raises
    ------
    SettingsError
        Where it has blanks, line breaks or letters that no header can carry. The token itself is not in the message.
    """
    # As a Secret from here on: a traceback that shows its frames' variables must not show it.
    token = Secret((token.reveal() if isinstance(token, Secret) else token).strip())
    problem, hint = _problem(token)
    if problem:
        raise SettingsError(problem, hint=hint)
    return token


def _problem(token: Secret) -> tuple[str, str]:
    """Return what is wrong with a token, and what to do; both empty where it is fine."""
    text = token.reveal()
    if not text:
        return "The token is empty.", "Set VERSORI_TOKEN."
    if text.split(None, 1)[0].lower() in {"bearer", "jwt"} and len(text.split()) > 1:
        hint = "Give the token alone; --auth says how it is sent."
        return "The token starts with the word Bearer or JWT.", hint
    if not _TOKEN.fullmatch(text):
        return "The token holds characters that no token has (blanks, line breaks or letters beyond ASCII).", ""
    return "", ""


def claims(token: Secret) -> dict[str, object]:
    """Return what a JWT says of itself, unverified; empty where the token is no JWT.

    Only for choosing the header and telling the expiry: the platform is the one that verifies.
    """
    if token.reveal().count(".") != 2:  # noqa: PLR2004 - header, payload and signature
        return {}
    import jwt

    try:
        found = jwt.decode(token.reveal(), options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        return {}
    return dict(found)


def expiry(token: Secret) -> datetime | None:
    """Return when a JWT expires (UTC); None where the token is no JWT or does not say."""
    seconds = claims(token).get("exp")
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def kind_of(token: Secret, auth: str = "auto") -> str:
    """Return ``bearer``, ``jwt`` or ``cookie``.

    ``auto`` reads the token's issuer: one made in "Signing keys" goes as JWT, everything else as bearer.
    """
    if auth != "auto":
        return auth
    issuer = claims(token).get("iss")
    return "jwt" if isinstance(issuer, str) and issuer.startswith(SIGNING_KEY_ISSUER) else "bearer"


def http_auth(token: Secret, kind: str) -> httpx.Auth:
    """Return the `httpx.Auth` that puts the token on a request, at the last moment and nowhere else.

    Parameters
    ----------
    token : Secret
        The token.
    kind : str
        ``bearer``, ``jwt`` or ``cookie`` (the API key in the cookie named ``cookie``).
    """
    import httpx

    class TokenAuth(httpx.Auth):
        def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
            if kind == "cookie":
                request.headers["Cookie"] = f"cookie={token.reveal()}"
            else:
                scheme = "JWT" if kind == "jwt" else "Bearer"
                request.headers["Authorization"] = f"{scheme} {token.reveal()}"
            yield request

    return TokenAuth()
