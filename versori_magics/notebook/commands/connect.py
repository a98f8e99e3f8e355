"""connect: choose a server, an organisation and a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from versori_magics.api.auth import choose_scheme, token_expiry
from versori_magics.notebook.display.results import Summary
from versori_magics.notebook.magic_hints import magic_hints
from versori_magics.notebook.session import SESSION
from versori_magics.notebook.validation import check_text

if TYPE_CHECKING:
    from versori_magics.api.auth import AuthScheme
    from versori_magics.settings import Settings


def connect(
    context: str | None = None, *, server: str | None = None, org: str | None = None, auth: AuthScheme | None = None
) -> Summary:
    """Choose a server, an organisation and a token; sends nothing.

    Parameters
    ----------
    context : str, optional
        A context of the vendor's CLI: its server, organisation and token. Default: the environment, then the CLI's
        active context.
    server : str, optional
        ``production``, ``staging``, ``development`` or a URL. Default: ``production``.
    org : str, optional
        ULID of the organisation that ``.`` stands for.
    auth : {'auto', 'bearer', 'jwt', 'cookie'}, optional
        How the token is sent. Default: ``auto``, which reads the token's issuer.

    Returns
    -------
    Summary
        Server, organisation, authentication (masked), expiry of the token, and where each setting comes from.

    Raises
    ------
    SettingsError
        If a setting is missing or invalid.
    """
    from versori_magics.notebook.prompts import ask_for_token

    # Not the decorator: in a traceback, its frame would show a token that was passed as an argument by mistake.
    with magic_hints():
        for name, value in {"context": context, "server": server, "org": org, "auth": auth}.items():
            if value != "":  # a blank one counts as absent
                check_text(name, value)
        arguments = {"context": context, "server": server, "organisation": org, "auth": auth}
        settings = SESSION.connect(arguments)
        if settings.token is None:
            settings = SESSION.connect({**arguments, "token": ask_for_token(settings.server)})
        return _summarise(settings)


def _summarise(settings: Settings) -> Summary:
    token, sources = settings.token, settings.sources
    organisation = f"{settings.organisation} ({sources['organisation']})" if settings.organisation else "not set"
    pairs = {"server": f"{settings.server} ({sources['server']})", "organisation": organisation, "token": "not set"}
    if token is not None:
        expiry = token_expiry(token)
        pairs["token"] = f"{token}, sent as {choose_scheme(token, settings.auth)} ({sources['token']})"
        pairs["expires"] = expiry.isoformat(sep=" ", timespec="minutes") if expiry else "unknown"
    return Summary("Connection settings", pairs)
