"""The session: what this kernel is connected to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from versori_magics import settings
from versori_magics.errors import ArgumentError, SettingsError
from versori_magics.notebook.arguments import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from versori_magics.platform.auth import Secret
    from versori_magics.platform.client import Client
    from versori_magics.settings import Settings


class Session:
    """Remembers what `connect` was told, and keeps one client for each organisation that is talked to.

    Settings are found anew each time, so a variable that changes in the environment is not missed.
    """

    def __init__(self) -> None:
        self._told: dict[str, str | Secret | None] = {}
        self._clients: dict[tuple[Settings, str], Client] = {}

    def tell(self, told: Mapping[str, str | Secret | None]) -> Settings:
        """Take what `connect` was told in place of what it was told before, if it makes sense."""
        found = settings.resolve(told)
        self._told = dict(told)
        self.close()
        return found

    def settings(self) -> Settings:
        """Return the settings as they are now."""
        return settings.resolve(self._told)

    def organisation(self, org: str) -> str:
        """Return the ULID that `org` stands for: itself, or the connected organisation for ``.``.

        Raises
        ------
        ArgumentError
            Where it is no text.
        SettingsError
            Where it is no ULID, or no organisation is connected.
        """
        if not isinstance(org, str):
            raise ArgumentError(
                f"ORG is {kind_of(org)}, and a ULID is needed.", hint=". is the connected organisation."
            )
        if org != ".":
            return settings.check_ulid(org, "organisation")
        found = self.settings().organisation
        if not found:
            raise SettingsError(
                "No organisation is connected, so '.' stands for none.",
                hint="Set VERSORI_ORGANISATION, or %versori_connect --org ULID.",
            )
        return found

    def client(self, org: str) -> Client:
        """Return the client for an organisation (``.`` or a ULID); made at the first use, then kept.

        Raises
        ------
        SettingsError
            Where a setting is missing or makes no sense.
        """
        organisation = self.organisation(org)
        found = self.settings()
        if found.token is None:
            raise SettingsError(
                f"There is no token for {found.server}.",
                hint="Set VERSORI_TOKEN, or %versori_connect (it asks), or try it all with %versori_sandbox.",
            )
        key = (found, organisation)
        if key not in self._clients:
            from versori_magics.platform.client import Client

            self._clients[key] = Client(found.server, organisation, found.token, found.auth)
        return self._clients[key]

    def close(self) -> None:
        """Close every client; the next use makes new ones."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()


CURRENT = Session()
