"""The session: what this kernel is connected to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from versori_magics.api.ids import parse_ulid
from versori_magics.errors import ArgumentError, SettingsError
from versori_magics.notebook.validation import check_text, describe_type
from versori_magics.settings import journal_folder, protection_file, resolve_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from versori_magics.api.auth import Secret
    from versori_magics.api.client import Client
    from versori_magics.cleanup.workflow import Workflow
    from versori_magics.settings import Settings


class Session:
    """Remembers the arguments of `connect`, and keeps one client for each organisation.

    Settings are resolved at every command, so a variable that changes in the environment takes effect.
    """

    def __init__(self) -> None:
        self._arguments: dict[str, str | Secret | None] = {}
        self._clients: dict[tuple[Settings, str], Client] = {}

    def connect(self, arguments: Mapping[str, str | Secret | None]) -> Settings:
        """Replace the arguments of the last `connect`, if they are valid; open forms and runs keep their clients."""
        settings = resolve_settings(arguments)
        self._arguments = dict(arguments)
        self._clients.clear()  # not closed: a form or a run may be using one, which closes when they let go of it
        return settings

    def client(self, org: str) -> Client:
        """Return the client for an organisation, created on first use.

        Parameters
        ----------
        org : str
            ULID, or ``.`` for the connected organisation.

        Raises
        ------
        ArgumentError
            If `org` is not text.
        SettingsError
            If `org` is not a ULID, or a setting is missing or invalid.
        """
        explicit_organisation = _parse_organisation(org)
        settings = resolve_settings(self._arguments)
        organisation = explicit_organisation or _connected_organisation(settings)
        if settings.token is None:
            raise SettingsError(
                f"There is no token for {settings.server}.",
                hint="Set VERSORI_TOKEN, use %versori_connect (it asks), or try everything with %versori_sandbox.",
            )
        key = (settings, organisation)
        if key not in self._clients:
            from versori_magics.api.client import Client

            self._clients[key] = Client(settings.server, organisation, settings.token, settings.auth)
        return self._clients[key]

    def workflow(self, org: str, protect: str | os.PathLike[str] | None = None) -> Workflow:
        """Return the workflow of one command.

        Parameters
        ----------
        org : str
            ULID, or ``.`` for the connected organisation.
        protect : path, optional
            Protection file. Default: VERSORI_PROTECT.
        """
        return workflow_for(self.client(org), protect)

    def close(self) -> None:
        """Close every client, even if it is in use; the next use creates new ones."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()


SESSION = Session()


def workflow_for(client: Client, protect: str | os.PathLike[str] | None = None) -> Workflow:
    """Return a workflow for a client's organisation, with the current journal folder and protection file."""
    from versori_magics.cleanup.platform import Platform
    from versori_magics.cleanup.workflow import Workflow

    if not isinstance(protect, os.PathLike):
        check_text("protect", protect)
    path = Path(protect) if protect else protection_file()
    return Workflow(Platform.of(client), journal_folder(), path)


def _parse_organisation(org: str) -> str | None:
    """Return the ULID of an organisation, or None for ``.``."""
    if not isinstance(org, str):
        raise ArgumentError(
            f"ORG is {describe_type(org)}, but it must be a ULID.", hint="Use . for the connected organisation."
        )
    return None if org == "." else parse_ulid(org, "organisation")


def _connected_organisation(settings: Settings) -> str:
    if not settings.organisation:
        raise SettingsError(
            "Not connected to an organisation, so '.' cannot be resolved.",
            hint="Set VERSORI_ORGANISATION, or use %versori_connect --org ULID.",
        )
    return settings.organisation
