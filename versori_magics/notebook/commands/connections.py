"""connections and connection: what exists in an organisation, and who uses it."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from versori_magics.api.pagination import Listing
from versori_magics.cleanup.selection import parse_ids
from versori_magics.errors import IncompleteError, SelectionError
from versori_magics.inventory import name_lookup
from versori_magics.inventory.connections import Inventory, read_inventory
from versori_magics.inventory.snapshot import system_names
from versori_magics.inventory.usage_reader import read_usage
from versori_magics.notebook.display.dataframes import connections_frame
from versori_magics.notebook.display.results import ConnectionDetails
from versori_magics.notebook.magic_hints import magic_hints
from versori_magics.notebook.session import SESSION
from versori_magics.notebook.validation import check_flag, check_text

if TYPE_CHECKING:
    import pandas as pd

    from versori_magics.api.client import Client


@magic_hints()
def connections(
    org: str = ".",
    *,
    system: str | None = None,
    end_user: str | None = None,
    project: str | None = None,
    environment: str | None = None,
    usage: bool = False,
    no_projects: bool = False,
) -> pd.DataFrame:
    """List all connections of an organisation; raises if the list is incomplete.

    Parameters
    ----------
    org : str
        ULID, or ``.`` for the connected organisation.
    system : str, optional
        Only those to this system: its id, name or domain.
    end_user : str, optional
        Only those of this end user: id or external id.
    project, environment : str, optional
        Only those that this project or environment uses, statically or through activations: id or name.
    usage : bool
        Add usage columns, and list what only end users and activations show. Default False.
    no_projects : bool
        Whether the organisation has no projects. Unless you say so, usage is unknown if the platform lists none.
        Default False.

    Returns
    -------
    DataFrame
        One row for each connection; ``attrs["versori"]`` records server, organisation, time and completeness.

    Raises
    ------
    PlatformError
        If a page fails or the list is not complete.
    ArgumentError
        If there is no such system, end user, project or environment, an argument is blank, or there are projects
        despite `no_projects`.
    """
    options = {"system": system, "end_user": end_user, "project": project, "environment": environment}
    for name, value in options.items():
        check_text(name, value)
    check_flag("no_projects", no_projects)
    client = SESSION.client(org)
    names, problem = system_names(client)
    if problem and system:
        raise IncompleteError(f"The systems cannot be listed, so connections cannot be filtered by system. {problem}")
    system_id = name_lookup.find_system_id(client, system) if system else None
    end_user_id = name_lookup.find_end_user_id(client, end_user) if end_user else None
    inventory = (
        read_inventory(client, system_id=system_id, end_user_id=end_user_id, no_projects=no_projects)
        if usage or project or environment
        else Inventory(client.connections(system_id=system_id, end_user_id=end_user_id))
    )
    for warning in (problem and f"The systems' names are missing. {problem}", inventory.warning):
        if warning:
            # stacklevel: the line of the caller, which is beyond one frame of the decorator
            warnings.warn(warning, UserWarning, stacklevel=3)
    if project or environment:
        inventory = _used_in(client, inventory, project, environment)
    return _frame(client, inventory, names, with_usage=usage)


def list_with_usage(client: Client, *, no_projects: bool = False) -> pd.DataFrame:
    """Return every connection of a client's organisation with its usage."""
    inventory = read_inventory(client, no_projects=no_projects)
    return _frame(client, inventory, system_names(client)[0], with_usage=True)


@magic_hints()
def connection(org: str, id: str) -> ConnectionDetails:  # noqa: A002 - the API's own name for it
    """Return one connection with its usage.

    Parameters
    ----------
    org : str
        ULID, or ``.`` for the connected organisation.
    id : str
        The connection's ULID.

    Raises
    ------
    SelectionError
        If `id` is not one connection id.
    NotFoundError
        If there is no such connection.
    """
    client = SESSION.client(org)
    if not isinstance(id, str):
        raise SelectionError(f"One connection id is needed, not a {type(id).__name__}.")
    return connection_details(client, parse_ids(id)[0])


def connection_details(client: Client, connection_id: str) -> ConnectionDetails:
    """Return one connection of a client's organisation with its usage."""
    connection = client.connection(connection_id)
    system = system_names(client)[0].get(connection.system_id or "", "")
    return ConnectionDetails(connection, system, read_usage(client).of(connection.id))


def _used_in(client: Client, inventory: Inventory, project: str | None, environment: str | None) -> Inventory:
    """Return the connections that a project or an environment uses."""
    usage, listing = inventory.usage, inventory.listing
    if usage.problems:
        raise IncompleteError(
            "Usage is only partly known, so connections cannot be filtered by project or environment."
            f" {usage.problems[0]}"
        )
    environments = name_lookup.find_environment_ids(client, project, environment)
    used_ids = {key for key, uses in usage.uses.items() if any(use.environment_id in environments for use in uses)}
    return replace(
        inventory, listing=Listing([item for item in listing.items if item.id in used_ids], listing.confirmed)
    )


def _frame(client: Client, inventory: Inventory, names: dict[str, str], *, with_usage: bool) -> pd.DataFrame:
    usage = inventory.usage if with_usage else None
    return connections_frame(
        inventory.listing,
        names,
        usage,
        server=client.server,
        organisation=client.organisation,
        warning=inventory.warning,
    )
