"""Resolve settings.

Order: arguments of `connect`, a named CLI context, environment variables, the active CLI context, defaults.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from versori_magics.api.auth import AuthScheme, Secret, parse_auth_scheme, parse_token
from versori_magics.api.ids import parse_ulid
from versori_magics.api.servers import DEFAULT_SERVER, parse_server
from versori_magics.catch import catch
from versori_magics.errors import SettingsError
from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_ROWS = 100  # a larger selection must be allowed explicitly, so that a wrong filter cannot empty an organisation
WORKERS = 8
MAX_WORKERS = 32

# setting -> environment variable
VARIABLES = {
    "server": "VERSORI_SERVER",
    "organisation": "VERSORI_ORGANISATION",
    "token": "VERSORI_TOKEN",
    "auth": "VERSORI_AUTH",
    "context": "VERSORI_CONTEXT",
}
JOURNAL_VARIABLE = "VERSORI_JOURNAL"
PROTECT_VARIABLE = "VERSORI_PROTECT"
_CONNECTION_SETTINGS = ("server", "organisation", "token")

Values = Mapping[str, "str | Secret"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a client for one organisation on one server.

    Parameters
    ----------
    server : str
        Base URL, checked: https, or http to this machine only; without credentials, query or final slash.
    organisation : str or None
        ULID of the connected organisation.
    token : Secret or None
        The token; prints as ``***``.
    auth : AuthScheme
        ``auto``, ``bearer``, ``jwt`` or ``cookie``.
    sources : mapping
        Setting -> where it came from, in words.
    """

    server: str
    organisation: str | None
    token: Secret | None
    auth: AuthScheme
    sources: Mapping[str, str] = field(compare=False)


def resolve_settings(
    arguments: Mapping[str, str | Secret | None], environ: Mapping[str, str] | None = None, home: Path | None = None
) -> Settings:
    """Return every setting, each from the first source that has it.

    A context named in `arguments` takes precedence over the environment: its server, organisation and token belong
    together.

    Parameters
    ----------
    arguments : mapping
        ``server``, ``organisation``, ``token``, ``auth``, ``context``; None or blank counts as absent.
    environ : mapping, optional
        Default `os.environ`.
    home : Path, optional
        The folder that contains the vendor CLI's folder. Default: the home folder.

    Raises
    ------
    SettingsError
        If a value is invalid, or a context or configuration file that was named cannot be used.
    """
    # Before anything can fail: a traceback may show arguments, so they must not be the token.
    arguments = _with_secret_token(arguments)
    environ = RedactedEnvironment(os.environ if environ is None else environ)
    values: dict[str, str | Secret] = {}
    sources: dict[str, str] = {}
    for source, layer in _layers(_present(arguments), environ, home):
        for name in (*_CONNECTION_SETTINGS, "auth"):
            if name not in values and layer.get(name):
                values[name], sources[name] = layer[name], source
    organisation = values.get("organisation")
    return Settings(
        server=parse_server(str(values["server"])),
        organisation=parse_ulid(str(organisation), "organisation") if organisation else None,
        token=parse_token(values["token"]) if "token" in values else None,
        auth=parse_auth_scheme(str(values["auth"])),
        sources=sources,
    )


def _layers(arguments: Values, environ: Mapping[str, str], home: Path | None) -> Iterator[tuple[str, Values]]:
    """Yield (source, values) in order of precedence."""
    yield "argument", arguments
    context_name = str(arguments.get("context", "")).strip()
    if context_name:
        yield f"context {one_line(context_name)}", _context(context_name, environ, home)[1]
    variables = _present({name: environ.get(variable) for name, variable in VARIABLES.items()})
    yield "environment", variables
    # A broken configuration of the vendor CLI matters only if something is still missing.
    if not context_name and not all(arguments.get(name) or variables.get(name) for name in _CONNECTION_SETTINGS):
        name, context = _context(environ.get(VARIABLES["context"], "").strip() or None, environ, home)
        yield f"CLI context {one_line(name)}".strip(), context
    yield "default", {"server": DEFAULT_SERVER, "auth": "auto"}


def _context(name: str | None, environ: Mapping[str, str], home: Path | None) -> tuple[str, Values]:
    from versori_magics import vendor_cli

    context = vendor_cli.read_context(name, environ, home)
    if context is None:
        return "", {}
    values = {"server": context.server, "organisation": context.organisation, "token": context.token}
    return context.name, _present(values)


def _with_secret_token(values: Mapping[str, str | Secret | None]) -> Mapping[str, str | Secret | None]:
    return {
        name: Secret.of(value) if name == "token" and value is not None else value for name, value in values.items()
    }


def _present(values: Mapping[str, str | Secret | None]) -> Values:
    """Return the values that are not blank, with the token as a `Secret`."""
    values = _with_secret_token(values)
    return {name: value for name, value in values.items() if value and (isinstance(value, Secret) or value.strip())}


def context_names(environ: Mapping[str, str] | None = None, home: Path | None = None) -> list[str]:
    """Return the names of the vendor CLI's contexts."""
    from versori_magics import vendor_cli

    return vendor_cli.context_names(RedactedEnvironment(os.environ if environ is None else environ), home)


def journal_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder of the journals: VERSORI_JOURNAL, or the user's state folder.

    Raises
    ------
    SettingsError
        If it is not absolute: after a change of the working directory, the same plan could be executed again.
    """
    configured = (os.environ if environ is None else environ).get(JOURNAL_VARIABLE, "").strip()
    folder = catch(Path(configured or _state_folder()).expanduser, RuntimeError)  # a home folder that is not known
    if isinstance(folder, Path) and folder.is_absolute():
        return folder
    raise SettingsError(
        "The folder of the journals is not an absolute path, so another working directory would hide the runs in it.",
        hint=f"Set {JOURNAL_VARIABLE} to an absolute path.",
    )


def _state_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_state_dir("versori_magics", appauthor=False)) / "runs"


def protection_file(environ: Mapping[str, str] | None = None) -> Path | None:
    """Return the protection file that VERSORI_PROTECT names, if any."""
    configured = (os.environ if environ is None else environ).get(PROTECT_VARIABLE, "").strip()
    return Path(configured).expanduser() if configured else None


class RedactedEnvironment(Mapping[str, str]):
    """An environment whose repr shows no values: a traceback with local variables must not show the token."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._get: Callable[[str], str | None] = variables.get
        self._keys = variables.keys

    def __getitem__(self, name: str) -> str:
        value = self._get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys())

    def __len__(self) -> int:
        return len(self._keys())

    def __repr__(self) -> str:
        return "environment"
