"""The verbs: what a notebook can ask for. Each magic is a thin call of one of these."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from versori_magics.errors import (
    ArgumentError,
    IncompleteError,
    PlanError,
    RunStoppedError,
    SelectionError,
)
from versori_magics.notebook.session import CURRENT
from versori_magics.notebook.shown import ConnectionView, DeletionPlan, DeletionReport, Shown
from versori_magics.settings import MAX_ROWS, MAX_WORKERS, PROTECT_VARIABLE, WORKERS
from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from versori_magics.deletion.protect import Protection
    from versori_magics.deletion.run import Options, Platform, Rest
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
        Where there is no such system, end user, project or environment.
    """
    import warnings

    from versori_magics.notebook.frames import connections_frame
    from versori_magics.platform.listing import Listing
    from versori_magics.platform.survey import system_names
    from versori_magics.platform.usage import read_usage

    client = CURRENT.client(org)
    names, problem = system_names(client)
    if problem:
        if system:
            raise IncompleteError(f"The systems cannot be listed, so none can be filtered by. {problem}")
        warnings.warn(f"The systems' names are missing. {problem}", UserWarning, stacklevel=2)
    listing = client.connections(
        system_id=_system_id(client, system) if system else None,
        end_user_id=_end_user_id(client, end_user) if end_user else None,
    )
    found = read_usage(client) if usage or project or environment else None
    if found is not None and (project or environment):
        if found.problems:
            raise IncompleteError(
                f"Who uses what is not wholly known, so it cannot be filtered by. {found.problems[0]}"
            )
        wanted = _environment_ids(client, project, environment)
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
    from versori_magics.platform.survey import system_names
    from versori_magics.platform.usage import read_usage

    client = CURRENT.client(org)
    if not isinstance(id, str):
        raise SelectionError(f"One connection id is needed, not a {type(id).__name__}.")
    found = client.connection(ids_of(id)[0])
    return ConnectionView(
        found, system_names(client)[0].get(found.system_id or "", ""), read_usage(client).of(found.id)
    )


def plan(
    org: str, selection: Any, *, allow_breaking: Sequence[str] = (), protect: str | Path | None = None
) -> DeletionPlan:
    """Say what would become of each selected connection, and why; deletes nothing.

    Parameters
    ----------
    org : str
        ULID, or ``.`` for the connected organisation.
    selection : str, list, Series, or DataFrame with a column `id`
        Connection ids.
    allow_breaking : sequence of str
        Ids that may be deleted although they are static and in use. Default none.
    protect : path, optional
        File of connections that are never deleted. Default: VERSORI_PROTECT.

    Returns
    -------
    DeletionPlan
        One row an id, with a verdict and a reason.

    Raises
    ------
    SelectionError
        Where the selection holds anything but ids of this organisation; nothing was asked.
    PlatformError
        Where it cannot be learned what stands.
    """
    from versori_magics.platform.survey import survey

    client = CURRENT.client(org)
    ids, breaking = _selected(selection, allow_breaking, client)
    return DeletionPlan.make(
        client.server,
        client.organisation,
        ids,
        survey(client, ids) if ids else {},
        breaking=breaking,
        protection=_protection(protect),
    )


def delete(
    org: str,
    selection: Any,
    *,
    yes: bool = False,
    max: int = MAX_ROWS,  # noqa: A002 - the same word as the magic's
    allow_breaking: Sequence[str] = (),
    protect: str | Path | None = None,
    workers: int = WORKERS,
) -> DeletionReport:
    """Delete connections: plan, ask, delete, report.

    Parameters
    ----------
    org : str
        ULID, or ``.`` for the connected organisation.
    selection : str, list, Series, DataFrame with a column `id`, or DeletionPlan
        Connection ids, or the plan to carry out. A plan is looked at again: what changed since is kept.
    yes : bool
        Consent beforehand, for notebooks that run unattended. Default False: a person is asked.
    max : int
        More rows than this are refused, all of them. Default 100.
    allow_breaking : sequence of str
        Ids that may be deleted although they are static and in use. Default none.
    protect : path, optional
        File of connections that are never deleted. Default: VERSORI_PROTECT.
    workers : int
        Requests under way at most, 1 to 32. Default 8.

    Returns
    -------
    DeletionReport
        Exactly one outcome an id.

    Raises
    ------
    SelectionError, PlanError, ConsentError, JournalError
        Nothing was sent.
    RunStoppedError
        The run ended before its last row; it carries the report, and says how to go on.
    KeyboardInterrupt
        After the stop button, once the report is shown.
    """
    from versori_magics.deletion.run import execute, recorded

    _check_number("max", max, 1, None)
    _check_number("workers", workers, 1, MAX_WORKERS)
    client = CURRENT.client(org)
    stale = isinstance(selection, DeletionPlan)
    if isinstance(selection, DeletionPlan):
        if allow_breaking:
            raise PlanError("A plan says itself what may break.", hint="Give allow_breaking to plan().")
        if (selection.server, selection.organisation) != (client.server, client.organisation):
            raise PlanError(
                f"The plan is for organisation {selection.organisation} of {selection.server}, and not for"
                f" {client.organisation} of {client.server}.",
                hint="Connect there, or make a new plan.",
            )
        if (before := recorded(selection, DeletionReport)) is not None:
            return before
        _check_size(len(selection.rows), max)
        made = selection
    else:
        _check_size(len(_selected(selection, allow_breaking, client)[0]), max)
        made = plan(org, selection, allow_breaking=allow_breaking, protect=protect)
    if not made.rows:
        return DeletionReport("", made.server, made.organisation, made.made, (), ended=True)
    if made.to_delete and not yes:
        _show_and_confirm(made)
        stale = True  # a person may take hours to answer
    options = _options(workers, protect)
    return _finished(execute(made, _platform(client), DeletionReport, options, stale=stale), options)


def runs() -> pd.DataFrame:
    """List the runs that journals tell of, the newest first.

    Returns
    -------
    DataFrame
        One row a run: its state (finished, stopped, interrupted, running), how many rows were planned and how many had
        each outcome.
    """
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
        found.append((report, state))
    return runs_frame(found, [outcome.value for outcome in Outcome])


def resume(run: str, *, yes: bool = False, workers: int = WORKERS) -> DeletionReport:
    """Finish a run that was stopped or cut off.

    Its unfinished rows are asked for first; what has gone, changed or come into use is not sent. Nothing is deleted
    that was not in the plan, and consent is asked anew.

    Parameters
    ----------
    run : str
        The run's id, as `runs` lists it.
    yes : bool
        Consent beforehand. Default False.
    workers : int
        Requests under way at most, 1 to 32. Default 8.

    Returns
    -------
    DeletionReport
        Of the whole run.

    Raises
    ------
    JournalError
        Where there is no such run, nothing of it was sent, or another kernel has it.
    ConsentError, RunStoppedError, KeyboardInterrupt
        As for `delete`.
    """
    from versori_magics.deletion.journal import default_folder
    from versori_magics.deletion.run import look_again, rest_of
    from versori_magics.deletion.run import resume as finish

    _check_number("workers", workers, 1, MAX_WORKERS)
    rest = rest_of(run, default_folder())
    client = CURRENT.client(rest.report.organisation)
    if rest.report.server != client.server:
        raise PlanError(
            f"The run {rest.report.run} is of {rest.report.server}, and {client.server} is connected.",
            hint=f"%versori_connect --server {rest.report.server}, then repeat.",
        )
    options = _options(workers, None)
    platform = _platform(client)

    def look(left: Rest) -> Any:
        rows, moved = look_again(left, platform.look, options.protection)
        if rows and not yes:
            _show_and_confirm(
                DeletionPlan(left.report.run, client.server, client.organisation, left.report.started, tuple(rows))
            )
            rows, moved = look_again(left, platform.look, options.protection)
        return rows, moved

    return _finished(finish(rest.report.run, look, platform, DeletionReport, options), options)


def sandbox(action: str = "start", *, connections: int = 250, seed: int = 1) -> Shown:
    """Start a local platform with a made-up organisation, and connect to it.

    Parameters
    ----------
    action : {'start', 'stop', 'reset'}
        Default start; reset brings back everything that was deleted.
    connections : int
        How many there are, 1 to 100,000. Default 250.
    seed : int
        Another organisation each. Default 1.

    Returns
    -------
    Shown
        Where it is and what is in it.

    Raises
    ------
    SandboxError
        Where it cannot be started, or none is running.
    """
    from versori_magics.notebook import yard

    _check_number("connections", connections, 1, 100_000)
    _check_number("seed", seed, 0, None)
    if action == "start":
        return yard.start(connections, seed)
    if action == "reset":
        return yard.reset()
    if action == "stop":
        return yard.stop()
    raise ArgumentError(f"The sandbox can start, stop and reset, not {one_line(action, 40)!r}.")


def _finished(report: DeletionReport, options: Options) -> DeletionReport:
    """Return the report of a run that came to its end; else show it and raise."""
    from IPython.display import display

    if options.button.pressed:
        display(report)  # type: ignore[no-untyped-call]  # IPython's
        raise KeyboardInterrupt
    if report.stopped:
        display(report)  # type: ignore[no-untyped-call]  # IPython's
        from versori_magics.notebook.render import counts

        raise RunStoppedError(
            f"The run ended early: {report.stopped}. Of {len(report.rows):,}: {counts(report.counts)}.",
            hint=report.resume_hint,
            report=report,
        )
    return report


def _state(report: DeletionReport) -> str:
    if not report.ended:
        return "interrupted"
    return "stopped" if report.stopped else "finished"


def _show_and_confirm(made: DeletionPlan) -> None:
    from IPython.display import display

    from versori_magics.notebook.prompts import confirm

    display(made)  # type: ignore[no-untyped-call]  # IPython's
    confirm(made)


def _platform(client: Client) -> Platform:
    from versori_magics.deletion.run import Platform
    from versori_magics.platform.survey import survey

    return Platform(client.delete, client.exists, lambda ids: survey(client, ids))


def _options(workers: int, protect: str | Path | None) -> Options:
    from versori_magics.deletion.run import Options
    from versori_magics.notebook.progress import ProgressDisplay

    return Options(workers=workers, watch=ProgressDisplay(), protection=_protection(protect))


def _protection(protect: str | Path | None) -> Protection | None:
    from versori_magics.deletion.protect import read_protection

    path = protect or os.environ.get(PROTECT_VARIABLE, "").strip()
    return read_protection(path) if path else None


def _selected(selection: Any, allow_breaking: Any, client: Client) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the ids that are selected and those that may break, checked without any request."""
    from versori_magics.deletion.plan import check_breaking
    from versori_magics.deletion.selection import ids_of

    values = selection
    if hasattr(selection, "columns"):
        if "id" not in selection.columns:
            raise SelectionError("The DataFrame has no column 'id'.", hint="Select with a frame of connections().")
        values = selection["id"]
        if getattr(values, "ndim", 1) != 1:
            raise SelectionError("The DataFrame has more than one column 'id'.")
        if "organisation_id" in selection.columns:
            for value in selection["organisation_id"].unique():
                _check_home("organisation", value, client.organisation)
    origin = getattr(selection, "attrs", {}).get("versori")
    if isinstance(origin, dict):
        _check_home("server", origin.get("server"), client.server)
        _check_home("organisation", origin.get("organisation"), client.organisation)
    ids = ids_of(values)
    return ids, check_breaking(allow_breaking, ids)


def _check_home(what: str, found: object, wanted: str) -> None:
    if found != wanted:
        raise SelectionError(
            f"The selection is of {what} {one_line(found, 100)}, and not of {wanted}.",
            hint="List the connections of the one you mean, and select from that.",
        )


def _check_size(rows: int, most: int) -> None:
    if rows > most:
        raise PlanError(
            f"{rows:,} connections are selected, and {most:,} at most are deleted at once: nothing was sent.",
            hint=f"Look at the plan (--dry-run); if it is right, --max {rows}.",
        )


def _check_number(name: str, value: object, least: int, most: int | None) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least or (most is not None and value > most):
        limits = f"from {least} to {most}" if most is not None else f"from {least} up"
        raise ArgumentError(f"{name} takes a whole number {limits}, not {one_line(repr(value), 40)}.")


def _system_id(client: Client, wanted: str) -> str:
    systems = client.systems().items
    return _one("system", wanted, [(s.id, [s.name, s.domain]) for s in systems])


def _end_user_id(client: Client, wanted: str) -> str:
    from versori_magics.platform.ids import canonical_ulid

    found = canonical_ulid(wanted)
    if found:
        return found
    users = client.end_users(wanted)
    return _one("end user", wanted, [(u.id, [u.external_id, u.display_name]) for u in users if u.id])


def _environment_ids(client: Client, project: str | None, environment: str | None) -> set[str]:
    projects = client.projects()
    if project:
        found = _one("project", project, [(p.id, [p.name]) for p in projects])
        projects = [p for p in projects if p.id == found]
    environments = [e for p in projects for e in p.environments or ()]
    if environment:
        names = {e.id for e in environments if environment in {e.id, e.name}}
        # The same name in several projects means all of them: that is how environments are named.
        return names or {_one("environment", environment, [(e.id, [e.name]) for e in environments])}
    return {e.id for e in environments}


def _one(what: str, wanted: str, known: list[tuple[str, list[str | None]]]) -> str:
    """Return the one id that a name stands for, or raise with what was perhaps meant."""
    import difflib

    low = wanted.strip().casefold()
    found = [key for key, names in known if low in {key.casefold(), *(n.casefold() for n in names if n)}]
    if len(found) == 1:
        return found[0]
    if found:
        raise ArgumentError(
            f"{len(found)} are called {one_line(wanted, 60)!r}: {', '.join(found[:5])}.", hint=f"Give the {what}'s id."
        )
    close = difflib.get_close_matches(wanted, [n for _, names in known for n in names if n], n=3, cutoff=0.5)
    hint = f"Did you mean {one_line(', '.join(close), 200)}?" if close else ""
    raise ArgumentError(f"There is no {what} {one_line(wanted, 60)!r}.", hint=hint)
