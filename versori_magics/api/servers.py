"""The platform's servers, and the check that a URL can be trusted with a token."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from versori_magics.catch import catch
from versori_magics.errors import SettingsError
from versori_magics.text import is_quotable, one_line

SERVERS = {
    "production": "https://platform.versori.com/api/v2",
    "staging": "https://platform-staging.versori.com/api/v2",
    "development": "http://localhost:8901",
}
DEFAULT_SERVER = "production"


def parse_server(server: str) -> str:
    """Return the base URL of a server, without a slash at its end.

    Parameters
    ----------
    server : str
        ``production``, ``staging``, ``development`` or a URL.

    Raises
    ------
    SettingsError
        If it is neither, or is plain http to another machine, which would send the token unencrypted.
    """
    server = server.strip()
    if url := SERVERS.get(server.lower()):
        return url
    parts = catch(lambda: _split(server), ValueError)
    if isinstance(parts, ValueError) or not parts.hostname or parts.scheme not in {"http", "https"}:
        raise SettingsError(
            f"{_quoted(server)} is not a server.",
            hint=f"Use {', '.join(SERVERS)}, or a URL such as https://host/api/v2.",
        )
    _reject_unsafe_url(server, parts)
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine: ``localhost`` or a loopback address, nothing that needs DNS."""
    if host == "localhost":
        return True
    address = catch(lambda: ipaddress.ip_address(host), ValueError)
    return not isinstance(address, ValueError) and address.is_loopback


def _split(server: str) -> SplitResult:
    parts = urlsplit(server)
    _ = parts.hostname, parts.port  # raise ValueError if they are malformed
    return parts


def _quoted(server: str) -> str:
    """Quote a value only if it is a word or a plain URL: it may be a token in the wrong setting."""
    text = one_line(server, 120)
    is_plain_url = "://" in server and not set(server) & set("@?#\\")
    return repr(text) if is_quotable(text) or is_plain_url else "The configured value"


def _reject_unsafe_url(server: str, parts: SplitResult) -> None:
    host = one_line(parts.hostname, 60)
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise SettingsError(
            f"The server's URL (host {host}) must not contain credentials.", hint="Set VERSORI_TOKEN instead."
        )
    if parts.query or parts.fragment or any(char.isspace() or not char.isprintable() for char in server):
        raise SettingsError(f"The server's URL (host {host}) must not contain a query, a fragment or blanks.")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise SettingsError(
            f"The server {one_line(server, 120)} is plain http to another machine: the token would travel unencrypted.",
            hint="Use https://.",
        )
