"""Where settings come from, and every constant.

Arguments win over `connect`, that over the environment, that over the vendor CLI's active context, that over the
defaults. A context that is named outright (`%versori_connect NAME`) counts as arguments: its server, organisation
and token belong together.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from versori_magics.errors import SettingsError
from versori_magics.platform.auth import AUTH_KINDS, Secret, read_token
from versori_magics.platform.ids import canonical_ulid
from versori_magics.text import one_line

# reference: the published servers of the Platform API, by the names people use for them.
SERVERS = {
    "production": "https://platform.versori.com/api/v2",
    "staging": "https://platform-staging.versori.com/api/v2",
    "development": "http://localhost:8901",
}
DEFAULT_SERVER = "production"
CLI_CONFIG = ".versori/config.yaml"  # below the home folder
MAX_ROWS = 100  # more than this needs --max: a slip of a filter must not empty an organisation
WORKERS = 8
MAX_WORKERS = 32
_SHOWN_KEYS = {"active_context", "name", "organisation_id", "url_overwrite"}  # of the CLI's file
_WORD = 16  # letters that an error shows of a value

# setting -> environment variable
VARIABLES = {
    "server": "VERSORI_SERVER",
    "organisation": "VERSORI_ORGANISATION",
    "token": "VERSORI_TOKEN",
    "auth": "VERSORI_AUTH",
    "context": "VERSORI_CONTEXT",
}
CONFIG_VARIABLE = "VERSORI_CONFIG"
JOURNAL_VARIABLE = "VERSORI_JOURNAL"
PROTECT_VARIABLE = "VERSORI_PROTECT"


@dataclass(frozen=True, slots=True)
class Settings:
    """What is needed to talk to one organisation of one server.

    Parameters
    ----------
    server : str
        Base URL, checked: https, or http to this machine only; no credentials, query or trailing slash.
    organisation : str or None
        ULID of the connected organisation.
    token : Secret or None
        The token; prints as ``***``.
    auth : str
        ``auto``, ``bearer``, ``jwt`` or ``cookie``.
    sources : mapping
        Setting -> where it came from, in words.
    """

    server: str
    organisation: str | None
    token: Secret | None
    auth: str
    sources: Mapping[str, str] = field(compare=False)


def resolve(
    arguments: Mapping[str, str | Secret | None], environ: Mapping[str, str] | None = None, home: Path | None = None
) -> Settings:
    """Find every setting.

    Parameters
    ----------
    arguments : mapping
        ``server``, ``organisation``, ``token``, ``auth``, ``context``; None or blank means not given.
    environ : mapping, optional
        Default `os.environ`.
    home : Path, optional
        Where the CLI's folder is looked for. Default: the home folder.

    Raises
    ------
    SettingsError
        Where a value makes no sense, or a context or configuration file that was named cannot be used.
    """
    environ = _Quiet(os.environ if environ is None else environ)
    layers: list[tuple[str, Mapping[str, str | Secret]]] = [("argument", _given(arguments))]
    if context := layers[0][1].get("context"):
        context = str(context).strip()
        layers.append((f"context {one_line(context)}", _context(context, environ, home)))
    layers.append(("environment", _given({name: environ.get(variable) for name, variable in VARIABLES.items()})))
    wanted = ("server", "organisation", "token")
    if not context and not all(any(layer.get(name) for _, layer in layers) for name in wanted):
        named = environ.get(VARIABLES["context"], "").strip() or None
        active = _context(named, environ, home)
        layers.append((f"CLI context {one_line(active.get('context', ''))}".strip(), active))
    layers.append(("default", {"server": DEFAULT_SERVER, "auth": "auto"}))

    values: dict[str, str | Secret] = {}
    sources: dict[str, str] = {}
    for name in (*wanted, "auth"):
        for source, layer in layers:
            if layer.get(name):
                values[name], sources[name] = layer[name], source
                break
    organisation = values.get("organisation")
    return Settings(
        server=server_url(str(values["server"])),
        organisation=check_ulid(str(organisation), "organisation") if organisation else None,
        token=read_token(values["token"]) if "token" in values else None,
        auth=check_auth(str(values["auth"])),
        sources=sources,
    )


class _Quiet(Mapping[str, str]):
    """An environment that does not print: a traceback that shows its frames' variables must not show the token."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._get = variables.get
        self._all = variables.keys

    def __getitem__(self, name: str) -> str:
        value = self._get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return "environment"


def _given(values: Mapping[str, str | Secret | None]) -> dict[str, str | Secret]:
    """Return the values that are not blank; the token as a Secret from here on."""
    given = {name: value for name, value in values.items() if value and (isinstance(value, Secret) or value.strip())}
    return {
        name: Secret(value) if name == "token" and isinstance(value, str) else value for name, value in given.items()
    }


def server_url(server: str) -> str:
    """Return the base URL of a server given by name (production, staging, development) or by URL.

    Raises
    ------
    SettingsError
        Where it is neither, or plain http to another machine: a token must not travel unencrypted.
    """
    known = SERVERS.get(server.strip().lower())
    if known:
        return known
    server = server.strip()
    shown = one_line(server, 120)
    names = ", ".join(SERVERS)
    try:
        parts = urlsplit(server)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if not host or parts.scheme not in {"http", "https"}:
        # Settings get swapped: what is neither a word nor a URL may be the token, and is not shown; nor is a URL's part
        # that may hold one.
        plain = "://" in server and not set(server) & set("@?#\\")
        named = repr(shown) if plain or (shown.isalpha() and len(shown) <= _WORD) else "What is set"
        raise SettingsError(f"{named} is no server.", hint=f"Give {names}, or a URL such as https://host/api/v2.")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise SettingsError(
            f"The server's URL (host {one_line(host, 60)}) must not hold credentials.",
            hint="Set VERSORI_TOKEN and leave them out.",
        )
    if parts.query or parts.fragment or any(char.isspace() or not char.isprintable() for char in server):
        raise SettingsError(f"The server's URL (host {one_line(host, 60)}) must have no query, fragment or blanks.")
    if parts.scheme == "http" and not is_loopback(host):
        raise SettingsError(
            f"The server {shown} is plain http, and not on this machine: the token would travel in the clear.",
            hint="Use https://.",
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def is_loopback(host: str) -> bool:
    """Tell whether a host name is this machine: ``localhost`` or a loopback address, nothing that needs DNS."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_auth(auth: str) -> str:
    """Return the kind of authentication, or raise a `SettingsError` that names the kinds there are."""
    kind = auth.strip().lower()
    if kind not in AUTH_KINDS:
        named = repr(kind) if kind.isalpha() and len(kind) <= _WORD else "What is set"
        raise SettingsError(f"{named} is no kind of authentication.", hint=f"Use {', '.join(AUTH_KINDS)}.")
    return kind


def check_ulid(value: str, what: str) -> str:
    """Return the id in its canonical upper case.

    Raises
    ------
    SettingsError
        Where it is no ULID.
    """
    found = canonical_ulid(value.strip())
    if found is None:
        raise SettingsError(
            # Not the value itself: settings get swapped, and then it is the token.
            f"The {what} ({len(value.strip())} characters) is no ULID.",
            hint="A ULID has 26 characters, such as 01ARZ3NDEKTSV4RRFFQ69G5FAV.",
        )
    return found


def contexts(environ: Mapping[str, str] | None = None, home: Path | None = None) -> list[str]:
    """Return the names of the vendor CLI's contexts; empty where there is no usable configuration.

    Source: platform-api, "The CLI keeps contexts in ~/.versori/config.yaml".
    """
    try:
        return list(_cli_config(_Quiet(os.environ if environ is None else environ), home)[1])
    except SettingsError:
        return []


def _context(name: str | None, environ: Mapping[str, str], home: Path | None) -> dict[str, str | Secret]:
    """Return the settings of one CLI context, the active one for None; empty where the CLI is not set up."""
    active, entries = _cli_config(environ, home)
    if name is None:
        name = active
        if not name:
            return {}
    if name not in entries:
        close = difflib.get_close_matches(name, entries, n=1)
        known = f"Did you mean {close[0]!r}?" if close else f"There are: {one_line(', '.join(entries)) or 'none'}."
        # A long name that resembles none may be the token, and is not shown.
        named = repr(one_line(name, 60)) if close or len(name) <= _WORD else "of the name that is set"
        raise SettingsError(f"The CLI's configuration has no context {named}.", hint=known)
    entry = entries[name]
    if not isinstance(entry, Mapping):
        raise SettingsError(f"The CLI's context {one_line(name, 60)!r} is not a mapping.", hint="Repair its file.")
    for key in ("organisation_id", "jwt", "url_overwrite"):
        if not isinstance(entry.get(key), str | Secret | None):
            raise SettingsError(
                f"In the CLI's context {one_line(name, 60)!r}, {key} is not text.", hint="Put it in quotes."
            )
    return _given(
        {
            "context": name,
            "server": (entry.get("url_overwrite") or "").strip() or DEFAULT_SERVER,  # platform-api: empty: production
            "organisation": entry.get("organisation_id"),
            "token": entry.get("jwt"),
        }
    )


def _cli_config(environ: Mapping[str, str], home: Path | None) -> tuple[str, Mapping[str, object]]:
    """Return the active context's name and every context; both empty where the CLI is not set up."""
    named = environ.get(CONFIG_VARIABLE, "").strip()
    content: object = None
    shown = ""
    try:
        path = Path(named).expanduser() if named else (home or Path.home()) / CLI_CONFIG
        # What does not look like the file's name may be the token, and is not shown.
        shown = one_line(path, 120) if not named or path.suffix in {".yaml", ".yml"} else f"of {CONFIG_VARIABLE}"
        content = _masked(_yaml(path, shown))
    except (FileNotFoundError, RuntimeError):  # RuntimeError: no such home folder
        missing = bool(named)
    else:
        missing = False
    if missing:
        raise SettingsError(
            f"The CLI's configuration {shown or f'of {CONFIG_VARIABLE}'} does not exist.",
            hint=f"Correct {CONFIG_VARIABLE}, or unset it.",
        )
    if content is None:
        return "", {}
    if not isinstance(content, Mapping):
        raise SettingsError(f"The CLI's configuration {shown} is not a mapping.", hint="Repair it.")
    active, entries = content.get("active_context"), content.get("contexts")
    if not isinstance(active, str | None) or not isinstance(entries, Mapping | None):
        raise SettingsError(
            f"The CLI's configuration {shown} has no usable active_context and contexts.", hint="Repair it."
        )
    return active or "", {str(name): entry for name, entry in (entries or {}).items()}


def _masked(content: object, key: str = "") -> object:
    """Return what a configuration holds with every text but those of known keys as a Secret: it may be the token."""
    if isinstance(content, Mapping):
        return {str(name): _masked(value, str(name)) for name, value in content.items()}
    return Secret(content) if isinstance(content, str) and content and key not in _SHOWN_KEYS else content


def _yaml(path: Path, shown: str) -> object:
    import yaml

    problem = ""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except OSError as error:
        problem = f"cannot be read ({type(error).__name__})"
    except yaml.YAMLError as error:
        # Only the line's number: yaml quotes the line itself, and that may be the token's.
        mark = getattr(error, "problem_mark", None)
        problem = "is no YAML" + (f" (line {mark.line + 1})" if mark else "")
    except (ValueError, RecursionError) as error:
        problem = f"is no YAML ({type(error).__name__})"
    raise SettingsError(
        f"The CLI's configuration {shown} {problem}.",
        hint="Repair it, or set VERSORI_SERVER, VERSORI_ORGANISATION and VERSORI_TOKEN.",
    )
