"""Reads the contexts of the vendor's command line, so that its users need no further set-up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from versori_magics.api.auth import Secret
from versori_magics.api.servers import DEFAULT_SERVER
from versori_magics.catch import catch
from versori_magics.errors import SettingsError
from versori_magics.interrupts import deferred_interrupts
from versori_magics.text import did_you_mean, is_quotable, one_line

CONFIG_VARIABLE = "VERSORI_CONFIG"
DEFAULT_CONFIG = ".versori/config.yaml"  # below the home folder
_PUBLIC_KEYS = {"active_context", "name", "organisation_id", "url_overwrite"}  # any other text may be a token


@dataclass(frozen=True, slots=True)
class Context:
    """One context of the vendor's command line.

    Parameters
    ----------
    name : str
        Its name.
    server : str
        A server's URL, or ``production``.
    organisation : str or None
        ULID.
    token : Secret or None
        Its JWT.
    """

    name: str
    server: str
    organisation: str | None
    token: Secret | None


def read_context(name: str | None, environ: Mapping[str, str], home: Path | None = None) -> Context | None:
    """Return a context by its name, or the active one.

    Parameters
    ----------
    name : str or None
        None for the active context.
    environ : mapping
        VERSORI_CONFIG may name the configuration file.
    home : Path, optional
        The folder that contains ``.versori/``. Default: the home folder.

    Returns
    -------
    Context or None
        None if the command line is not set up, or no context is active.

    Raises
    ------
    SettingsError
        If the file cannot be read, or the context does not exist or is invalid.
    """
    active, entries = _read_config(environ, home)
    name = name or active
    if not name:
        return None
    if name not in entries:
        raise _unknown_context(name, entries)
    return _parse_context(name, entries[name])


def context_names(environ: Mapping[str, str], home: Path | None = None) -> list[str]:
    """Return the names of all contexts; an empty list if the configuration is missing or unusable."""
    config = catch(lambda: _read_config(environ, home), SettingsError)
    return [] if isinstance(config, SettingsError) else list(config[1])


def _parse_context(name: str, entry: object) -> Context:
    title = f"The context {one_line(name, 60)!r} of the Versori command line"
    if not isinstance(entry, Mapping):
        raise SettingsError(f"{title} is not a mapping.", hint="Repair its configuration file.")
    for key in ("organisation_id", "jwt", "url_overwrite"):
        value = entry.get(key)
        if isinstance(value, Mapping) or (isinstance(value, Secret) and value.wrong_type):
            raise SettingsError(f"{title} has a {key} that is not text.", hint="Put it in quotes.")
    return Context(
        name=name,
        server=(entry.get("url_overwrite") or "").strip() or DEFAULT_SERVER,
        organisation=entry.get("organisation_id"),
        token=entry.get("jwt") or None,
    )


def _unknown_context(name: str, entries: Mapping[str, object]) -> SettingsError:
    suggestion = did_you_mean(name, entries)
    hint = suggestion or f"Its contexts: {one_line(', '.join(entries)) or 'none'}."
    may_quote = suggestion or is_quotable(name, letters_only=False)
    quoted = f" {one_line(name, 60)!r}" if may_quote else " with the configured name"
    return SettingsError(f"The Versori command line has no context{quoted}.", hint=hint)


def _read_config(environ: Mapping[str, str], home: Path | None) -> tuple[str, Mapping[str, object]]:
    """Return the active context's name and every context; both empty if the command line is not set up."""
    configured = environ.get(CONFIG_VARIABLE, "").strip()
    path = catch(lambda: _config_path(configured, home), RuntimeError)  # RuntimeError: there is no such home folder
    # A value that does not look like a file's name may be the token, and is not quoted.
    quotable = not configured or (isinstance(path, Path) and path.suffix in {".yaml", ".yml"})
    title = f"The configuration {one_line(path, 120) if quotable else 'that ' + CONFIG_VARIABLE + ' names'}"
    content = path if isinstance(path, RuntimeError) else catch(lambda: _load_yaml(path, title), FileNotFoundError)
    if not isinstance(content, FileNotFoundError | RuntimeError):
        return _parse_config(content, title)
    if configured:
        raise SettingsError(f"{title} does not exist.", hint=f"Correct {CONFIG_VARIABLE}, or unset it.")
    return "", {}


def _config_path(configured: str, home: Path | None) -> Path:
    return Path(configured).expanduser() if configured else (home or Path.home()) / DEFAULT_CONFIG


def _parse_config(content: object, title: str) -> tuple[str, Mapping[str, object]]:
    if content is None:
        return "", {}
    if not isinstance(content, Mapping):
        raise SettingsError(f"{title} is not a mapping.", hint="Repair the file.")
    active, entries = content.get("active_context"), content.get("contexts")
    if not isinstance(active, str | None) or not isinstance(entries, Mapping | None):
        raise SettingsError(f"{title} has no usable active_context and contexts.", hint="Repair the file.")
    return active or "", {str(name): entry for name, entry in (entries or {}).items()}


def _with_secrets(content: object, key: str = "") -> object:
    """Return the configuration with every value that may be a token as a `Secret`, whatever its type."""
    if isinstance(content, Mapping):
        return {str(name): _with_secrets(value, str(name)) for name, value in content.items()}
    is_public = content is None or (isinstance(content, str) and key in _PUBLIC_KEYS)
    return content if is_public else Secret(content)


def _load_yaml(path: Path, title: str) -> object:
    content, problem = _try_yaml(path)
    if problem:
        raise SettingsError(
            f"{title} {problem}.",
            hint="Repair the file, or set VERSORI_SERVER, VERSORI_ORGANISATION and VERSORI_TOKEN.",
        )
    return content


def _try_yaml(path: Path) -> tuple[object, str]:
    """Return the file's content and what is wrong with it, if anything.

    Neither the plain content nor yaml's error, which quotes the file, leaves this function: a traceback with local
    variables must not show the token.
    """
    with deferred_interrupts():
        import yaml

    content = catch(
        lambda: _with_secrets(yaml.safe_load(path.read_text(encoding="utf-8"))),
        OSError,
        yaml.YAMLError,
        ValueError,
        RecursionError,
    )
    if isinstance(content, FileNotFoundError):
        raise FileNotFoundError(path)
    return (None, _yaml_problem(content)) if isinstance(content, Exception) else (content, "")


def _yaml_problem(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot be read ({type(error).__name__})"
    # Only the number of the line, for the same reason.
    mark = getattr(error, "problem_mark", None)
    place = f"line {mark.line + 1}" if mark else type(error).__name__
    return f"is not valid YAML ({place})"
