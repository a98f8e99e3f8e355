"""Tokens, and the three ways to send one.

httpx is imported lazily, because settings import this module.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, NoReturn, get_args

from versori_magics.catch import catch
from versori_magics.errors import SettingsError
from versori_magics.interrupts import deferred_interrupts
from versori_magics.text import is_quotable

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx

AuthScheme = Literal["auto", "bearer", "jwt", "cookie"]
AUTH_SCHEMES: tuple[AuthScheme, ...] = get_args(AuthScheme)
# Long-lived JWTs from the account's "Signing keys" page have this issuer; the vendor's clients send them as
# `Authorization: JWT`.
SIGNING_KEY_ISSUER = "https://versori.com/sk/"
MASK = "***"
_TOKEN = re.compile(r"[\x21-\x7e]+")


class Secret:
    """A text that prints as ``***``; only `reveal` returns it. A blank one is false.

    Parameters
    ----------
    value : object
        The secret. If it is not text, only its type is kept, so that an error can say what is wrong with it.

    Attributes
    ----------
    wrong_type : str
        The name of the value's type if it is not text, else empty.
    """

    __slots__ = ("_value", "wrong_type")

    def __init__(self, value: object) -> None:
        self._value = value if isinstance(value, str) else ""
        self.wrong_type = "" if isinstance(value, str) else type(value).__name__

    @classmethod
    def of(cls, value: object) -> Secret:
        """Return a value as a `Secret`, unless it is one already."""
        return value if isinstance(value, Secret) else cls(value)

    def reveal(self) -> str:
        """Return the secret itself; call it as late as possible and do not keep the result in a variable."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __bool__(self) -> bool:
        return bool(self._value.strip() or self.wrong_type)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self._value, self.wrong_type) == (other._value, other.wrong_type)

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")

    def __deepcopy__(self, memo: object) -> Secret:
        return self


def parse_token(token: object) -> Secret:
    """Return a token that can be sent in a header.

    Parameters
    ----------
    token : str or Secret
        The token, as a setting or an argument has it.

    Raises
    ------
    SettingsError
        If it is not text, or contains blanks, line breaks or characters that no header can carry. The message does not
        quote it.
    """
    # A traceback may show arguments and local variables, so they must not be the token.
    token = Secret.of(token)
    if problem := _token_problem(token):
        raise problem
    return Secret(token.reveal().strip())


def _token_problem(token: Secret) -> SettingsError | None:
    if token.wrong_type:
        return SettingsError(f"The token must be text, but its type is {token.wrong_type}.", hint="Use a string.")
    text = token.reveal().strip()
    if not text:
        return SettingsError("The token is empty.", hint="Set VERSORI_TOKEN.")
    if text.split(None, 1)[0].lower() in {"bearer", "jwt"} and len(text.split()) > 1:
        return SettingsError(
            "The token starts with the word Bearer or JWT.",
            hint="Use the token alone; VERSORI_AUTH says how to send it.",
        )
    if not _TOKEN.fullmatch(text):
        return SettingsError(
            "The token contains characters that a token cannot have: blanks, line breaks or non-ASCII."
        )
    return None


def parse_auth_scheme(text: str) -> AuthScheme:
    """Return the scheme that a setting names.

    Raises
    ------
    SettingsError
        If there is no such scheme; the message lists the valid ones.
    """
    word = text.strip().lower()
    for scheme in AUTH_SCHEMES:
        if word == scheme:
            return scheme
    quoted = repr(word) if is_quotable(word) else "The configured value"
    raise SettingsError(f"{quoted} is not an authentication scheme.", hint=f"Use {', '.join(AUTH_SCHEMES)}.")


def jwt_claims(token: Secret) -> dict[str, object]:
    """Return the unverified claims of a JWT; empty if the token is not a JWT.

    Used only to choose the header and show the expiry; the platform verifies the token.
    """
    if token.reveal().count(".") != 2:  # noqa: PLR2004 - header, payload and signature
        return {}
    with deferred_interrupts():
        import jwt

    claims = catch(
        lambda: jwt.decode(token.reveal(), options={"verify_signature": False}),
        jwt.PyJWTError,
        ValueError,
        RecursionError,
    )
    return {} if isinstance(claims, Exception) else dict(claims)


def token_expiry(token: Secret) -> datetime | None:
    """Return the expiry of a JWT (UTC); None if the token is not a JWT or has no expiry."""
    seconds = jwt_claims(token).get("exp")
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        return None
    expiry = catch(lambda: datetime.fromtimestamp(seconds, UTC), OverflowError, OSError, ValueError)
    return None if isinstance(expiry, Exception) else expiry


def choose_scheme(token: Secret, auth: AuthScheme = "auto") -> AuthScheme:
    """Return how to send a token: ``bearer``, ``jwt`` or ``cookie``.

    ``auto`` reads the token's issuer: a token from "Signing keys" is sent as JWT, every other one as bearer.
    """
    if auth != "auto":
        return auth
    issuer = jwt_claims(token).get("iss")
    return "jwt" if isinstance(issuer, str) and issuer.startswith(SIGNING_KEY_ISSUER) else "bearer"


def http_auth(token: Secret, scheme: AuthScheme) -> httpx.Auth:
    """Return the `httpx.Auth` that adds the token to a request, at the last moment and nowhere else.

    Parameters
    ----------
    token : Secret
        The token.
    scheme : AuthScheme
        ``bearer``, ``jwt`` or ``cookie`` (the API key in the cookie named ``cookie``).
    """
    import httpx

    class TokenAuth(httpx.Auth):
        def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
            if scheme == "cookie":
                request.headers["Cookie"] = f"cookie={token.reveal()}"
            else:
                word = "JWT" if scheme == "jwt" else "Bearer"
                request.headers["Authorization"] = f"{word} {token.reveal()}"
            yield request

    return TokenAuth()
