"""Reading: connect, and see the connections and the runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from versori_magics.errors import IncompleteError, SelectionError
from versori_magics.notebook.arguments import check_text
from versori_magics.notebook.session import CURRENT
from versori_magics.notebook.shown import ConnectionView, DeletionReport, Shown

if TYPE_CHECKING:
    import pandas as pd

    from versori_magics.platform.client import Client
    from versori_magics.settings import Settings


def connect(
    context: str | None = None, *, server: str | None = None, org: str | None = None, auth: str | None = None
) -> Shown:
    """Connect to a server and an organisation; sends nothing.

    Parameters
    ----------
    context : str, optional
        A context of the vendor's CLI: its server, organisation and token. Default: the environment, then the CLI's
        active context.
    server : str, optional
        production, staging, development or a URL. Default: production.
    org : str, optional
        ULID of the organisation that ``.`` stands for.
    auth : {'auto', 'bearer', 'jwt', 'cookie'}, optional
        How the token is sent. Default: auto, which reads the token's issuer.

    Returns
    -------
    Shown
        Server, organisation, how authenticated (masked), when the token expires, and where each comes from.

    Raises
    ------
    SettingsError
        Where a setting is missing or makes no sense.
    """
    from versori_magics.notebook.prompts import ask_token

    told: dict[str, Any] = {"context": context, "server": server, "organisation": org, "auth": auth}
    for name, value in told.items():
        if value != "":  # a blank one counts as not given
            check_text(name, value)
    found = CURRENT.tell(told)
    if found.token is None:
        found = CURRENT.tell({**told, "token": ask_token(found.server)})
    return _status(found)


def _status(found: Settings) -> Shown:
    from versori_magics.platform.auth import expiry, kind_of

    token, source = found.token, found.sources
    pairs: dict[str, object] = {
        "server": f"{found.server} ({source['server']})",
        "organisation": f"{found.organisation} ({source['organisation']})" if found.organisation else "none: name it",
        "token": "none",
    }
    if token is not None:
        expires = expiry(token)
        pairs["token"] = f"{token}, sent as {kind_of(token, found.auth)} ({source['token']})"
        pairs["expires"] = expires.isoformat(sep=" ", timespec="minutes") if expires else "it does not say"
    return Shown("Connected", pairs)


def connections(
    org: str = ".",
    *,
    system: str | None = None,
    end_user: str | None = None,
    project: str | None = None,
    environment: str | None = None,
    usage: bool = False,
) -> pd.DataFrame:
    """List an organisation's connections, all of them or an error.

    Parameters
    ----------
    org : str
        ULID, or ``.`` for the connected organisation.
    system : str, optional
        Only those to this system: its id, name or domain.
    end_user : str, optional
        Only those of this end user: id or external id.
    project, environment : str, optional
        Only those that this project or environment needs, by id or name, static or through activations.
    usage : bool
        Also find out who uses each. Default False.

    Returns
    -------
    DataFrame
        One row a connection; ``attrs["versori"]`` says where, when and how complete.

    Raises
    ------
    PlatformError
        Where a page fails or the list is not whole.
    ArgumentError
        Where there is no such system, end user, project or environment, or what is given names none.
    """
    import warnings

    from versori_magics.notebook import naming
    from versori_magics.notebook.frames import connections_frame
    from versori_magics.platform.listing import Listing
    from versori_magics.platform.survey import system_names
    from versori_magics.platform.usage import read_usage

    for name, value in (
        ("system", system),
        ("end_user", end_user),
        ("project", project),
        ("environment", environment),
    ):
        check_text(name, value)
    client = CURRENT.client(org)
    names, problem = system_names(client)
    if problem and system:
        raise IncompleteError(f"The systems cannot be listed, so none can be filtered by. {problem}")
    listing = client.connections(
        system_id=naming.system_id(client, system) if system else None,
        end_user_id=naming.end_user_id(client, end_user) if end_user else None,
    )
    if problem:
        warnings.warn(f"The systems' names are missing. {problem}", UserWarning, stacklevel=2)
    found = read_usage(client) if usage or project or environment else None
    if found is not None and (project or environment):
        if found.problems:
            raise IncompleteError(
                f"Who uses what is not wholly known, so it cannot be filtered by. {found.problems[0]}"
            )
        wanted = naming.environment_ids(client, project, environment)
        needed = {key for key, uses in found.uses.items() if any(use.environment_id in wanted for use in uses)}
        listing = Listing([c for c in listing.items if c.id in needed], listing.confirmed)
    return connections_frame(
        listing, names, found if usage else None, server=client.server, organisation=client.organisation
    )


def connection(org: str, id: str) -> ConnectionView:  # noqa: A002 - the name that the API gives it
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
        Where `id` is not one connection id.
    NotFoundError
        Where there is no such connection.
    """
    from versori_magics.deletion.selection import ids_of

    client = CURRENT.client(org)
    if not isinstance(id, str):
        raise SelectionError(f"One connection id is needed, not a {type(id).__name__}.")
    return seen_connection(client, ids_of(id)[0])


def seen_connection(client: Client, key: str) -> ConnectionView:
    """Return one connection of a client's organisation with its usage."""
    from versori_magics.platform.survey import system_names
    from versori_magics.platform.usage import read_usage

    found = client.connection(key)
    system = system_names(client)[0].get(found.system_id or "", "")
    return ConnectionView(found, system, read_usage(client).of(found.id))


def seen_connections(client: Client) -> pd.DataFrame:
    """Return every connection of a client's organisation with its usage."""
    from versori_magics.notebook.frames import connections_frame
    from versori_magics.platform.survey import system_names
    from versori_magics.platform.usage import read_usage

    listing = client.connections()
    return connections_frame(
        listing,
        system_names(client)[0],
        read_usage(client),
        server=client.server,
        organisation=client.organisation,
    )


def runs() -> pd.DataFrame:
    """List the runs that journals tell of, the newest first.

    Returns
    -------
    DataFrame
        One row a run: its state (finished, stopped, interrupted, running), how many rows were planned and how many had
        each outcome.
    """
    import msgspec

    from versori_magics.deletion.journal import default_folder, is_under_way, journals, read
    from versori_magics.deletion.report import Outcome
    from versori_magics.errors import JournalError
    from versori_magics.notebook.frames import runs_frame

    found = []
    for path in journals(default_folder()):
        try:
            report = DeletionReport.replay(read(path), str(path))
        except JournalError:
            report, state = DeletionReport(path.stem, "", "", "", (), ended=False, journal=str(path)), "unreadable"
        else:
            state = "running" if is_under_way(path) else _state(report)
            if not report.run:  # cut off before its first line was whole
                report = msgspec.structs.replace(report, run=path.stem)
        found.append((report, state))
    return runs_frame(found, [outcome.value for outcome in Outcome])


def _state(report: DeletionReport) -> str:
    if not report.ended:
        return "interrupted"
    return "stopped" if report.stopped else "finished"
