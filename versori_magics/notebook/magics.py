"""The magics: one declaration each, and their registration in a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from IPython.core.magic import needs_local_scope, no_var_expand

from versori_magics import settings
from versori_magics.api.auth import AUTH_SCHEMES
from versori_magics.api.servers import SERVERS
from versori_magics.interrupts import deferred_interrupts
from versori_magics.notebook import completion
from versori_magics.notebook.magic_declaration import Flag, Magic, Option, Positional, as_typed
from versori_magics.notebook.magic_line import Variables
from versori_magics.notebook.validation import SandboxAction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from IPython.core.interactiveshell import InteractiveShell

# The names of the types whose values can be a CONN; names, because Tab must not import pandas.
_SELECTION_TYPES = {"str", "list", "tuple", "set", "Series", "Index", "DataFrame", "DeletionPlan"}


def _suggest_variables(user_ns: Mapping[str, Any]) -> list[str]:
    names = (name for name, value in user_ns.items() if type(value).__name__ in _SELECTION_TYPES)
    return sorted(name for name in names if not name.startswith("_") and name != "In")


def _suggest_contexts(_user_ns: Mapping[str, Any]) -> list[str]:
    return settings.context_names()


# The calls. Each imports its function when it is first used, so that loading the extension stays light. A press of the
# stop button waits for the import: pandas and numpy never load again after one that was broken off.


def _connect(**arguments: Any) -> Any:
    with deferred_interrupts():
        from versori_magics.notebook.commands.connect import connect

    return connect(**arguments)


def _connections(**arguments: Any) -> Any:
    with deferred_interrupts():
        from versori_magics.notebook.commands.connections import connections

    return connections(**arguments)


def _connection(**arguments: Any) -> Any:
    with deferred_interrupts():
        from versori_magics.notebook.commands.connections import connection

    return connection(**arguments)


def _delete(*, dry_run: bool, yes: bool, max: int, workers: int, **arguments: Any) -> Any:  # noqa: A002 - as `delete`
    with deferred_interrupts():
        from versori_magics.notebook.commands.delete import delete, plan

    if dry_run:
        return plan(**arguments)
    return delete(**arguments, yes=yes, max=max, workers=workers)


def _runs() -> Any:
    with deferred_interrupts():
        from versori_magics.notebook.commands.runs import runs

    return runs()


def _resume(**arguments: Any) -> Any:
    with deferred_interrupts():
        from versori_magics.notebook.commands.delete import resume

    return resume(**arguments)


def _form(**arguments: Any) -> Any:
    with deferred_interrupts():
        from versori_magics.notebook.form.form import form

    return form(**arguments)


def _sandbox(**arguments: Any) -> Any:
    with deferred_interrupts():
        from versori_magics.notebook.commands.sandbox import sandbox

    return sandbox(**arguments)


# The declarations.

_ORG_HELP = "ULID, a variable that holds one, or . for the connected organisation"
_ORG = Positional("org", "ORG", _ORG_HELP, resolve=Variables.organisation, suggest=_suggest_variables)
_YES = Flag("yes", "--yes", "consent in advance, for notebooks that run unattended")


def _number(keyword: str, help: str, default: int) -> Option:  # noqa: A002 - as in `Option`
    text = f"{help} (default {default})"
    return Option(keyword, f"--{keyword}", "N", text, type=int, default=default, resolve=as_typed)


_NO_PROJECTS = Flag("no_projects", "--no-projects", "the organisation has no projects, so nothing there can use it")
_PROTECT = Option("protect", "--protect", "FILE", "file of connections never to delete (default: VERSORI_PROTECT)")
_WORKERS = _number("workers", f"maximum number of concurrent requests, 1 to {settings.MAX_WORKERS}", settings.WORKERS)
_MAX = _number("max", "maximum number of selected connections; nothing is sent if there are more", settings.MAX_ROWS)

_DECLARATIONS = (
    Magic(
        name="versori_connect",
        summary="Choose a server and an organisation; sends nothing. The token comes from VERSORI_TOKEN or from\n"
        "the vendor CLI's context; without either, you are asked for it. Do not write it on this line.",
        examples=(
            "%versori_connect",
            "%versori_connect my-context",
            "%versori_connect --server staging --org 01ARZ3NDEKTSV4RRFFQ69G5FAV --auth cookie",
        ),
        parameters=(
            Positional(
                "context",
                "CONTEXT",
                "context of the vendor's CLI (default: the active one)",
                nargs="?",
                resolve=Variables.text,
                suggest=_suggest_contexts,
            ),
            Option("server", "--server", "S", "production, staging, development or a URL", suggest=lambda _: SERVERS),
            Option("org", "--org", "ULID", "the organisation that . stands for"),
            Option("auth", "--auth", "SCHEME", "auto (default), bearer, jwt or cookie", suggest=lambda _: AUTH_SCHEMES),
        ),
        run=_connect,
    ),
    Magic(
        name="versori_connections",
        summary="List all connections of an organisation as a DataFrame. An incomplete list is an error.",
        examples=(
            "df = %versori_connections . --usage",
            "%versori_connections . --system Shopify",
            "%versori_connections $org --project Orders --environment production",
        ),
        parameters=(
            _ORG,
            Option("system", "--system", "S", "only connections to this system: id, name or domain"),
            Option("end_user", "--end-user", "U", "only connections of this end user: id or external id"),
            Option("project", "--project", "P", "only connections that this project uses: id or name"),
            Option("environment", "--environment", "E", "only connections that this environment uses: id or name"),
            Flag("usage", "--usage", "add usage columns (kind, in_use, used_by, running)"),
            _NO_PROJECTS,
        ),
        run=_connections,
    ),
    Magic(
        name="versori_connection",
        summary="Show one connection with its usage.",
        examples=("%versori_connection . 01ARZ3NDEKTSV4RRFFQ69G5FAV",),
        parameters=(
            _ORG,
            Positional(
                "id",
                "CONN",
                "ULID, or a variable that holds one",
                resolve=Variables.connection,
                suggest=_suggest_variables,
            ),
        ),
        run=_connection,
    ),
    Magic(
        name="versori_delete",
        summary="Delete connections. Connections in use are kept, and you are asked before anything is sent.",
        examples=(
            "%versori_delete . 01ARZ3NDEKTSV4RRFFQ69G5FAV --dry-run",
            "report = %versori_delete . unused",
            "%versori_delete . unused --yes --max 500",
        ),
        parameters=(
            _ORG,
            Positional(
                "selection",
                "CONN",
                "ULID, or a variable: text, list, Series, DataFrame with a column id, or plan",
                nargs="+",
                resolve=Variables.selection,
                suggest=_suggest_variables,
            ),
            Flag("dry_run", "--dry-run", "only show the plan: what would be deleted, what is kept, and why"),
            _YES,
            _MAX,
            Option(
                "allow_breaking",
                "--break",
                "ID",
                "ids that may be deleted although they are static and in use",
                nargs="+",
                default=(),
                resolve=Variables.ids,
                suggest=_suggest_variables,
            ),
            _PROTECT,
            _WORKERS,
            _NO_PROJECTS,
        ),
        run=_delete,
    ),
    Magic(
        name="versori_runs",
        summary="List the runs, the newest first.",
        examples=("%versori_runs",),
        parameters=(),
        run=_runs,
    ),
    Magic(
        name="versori_resume",
        summary="Finish a run that was stopped or interrupted. Its unfinished rows are checked again, and you are\n"
        "asked for consent again.",
        examples=("%versori_resume 01ARZ3NDEKTSV4RRFFQ69G5FAV",),
        parameters=(
            Positional(
                "run",
                "RUN",
                "the run's id, as %versori_runs lists it",
                resolve=Variables.run,
                suggest=_suggest_variables,
            ),
            _YES,
            _PROTECT,
            _WORKERS,
        ),
        run=_resume,
    ),
    Magic(
        name="versori_form",
        summary="Show a form to see, select, review and delete connections by clicking.",
        examples=("form = %versori_form", "%versori_form $org --max 500"),
        parameters=(_ORG._replace(nargs="?", default=".", help=f"{_ORG_HELP} (default)"), _MAX, _NO_PROJECTS),
        run=_form,
    ),
    Magic(
        name="versori_sandbox",
        summary="Start a local platform with a made-up organisation, and connect to it. It cannot affect real data.",
        examples=(
            "%versori_sandbox",
            "%versori_sandbox reset",
            "%versori_sandbox start --connections 3000 --seed 7",
        ),
        parameters=(
            Positional(
                "action",
                "ACTION",
                "start (default), stop or reset",
                nargs="?",
                default="start",
                choices=get_args(SandboxAction),
                resolve=as_typed,
                suggest=lambda _: get_args(SandboxAction),
            ),
            _number("connections", "number of connections", 250),
            _number("seed", "different seeds give different organisations", 1),
        ),
        run=_sandbox,
    ),
)
MAGICS = {magic.name: magic for magic in _DECLARATIONS}


# Registration.


def register(shell: InteractiveShell) -> None:
    """Add every magic and the completion to a shell; calling it again has no effect."""
    for magic in MAGICS.values():
        shell.magics_manager.register_function(_line_magic(magic, shell), "line", magic.name)
    completion.install(shell, MAGICS)


def unregister(shell: InteractiveShell) -> None:
    """Remove every magic and the completion from a shell."""
    completion.remove(shell)
    for name in MAGICS:
        shell.magics_manager.magics["line"].pop(name, None)
        vars(shell.magics_manager.user_magics).pop(name, None)


def _line_magic(magic: Magic, shell: InteractiveShell) -> Callable[..., Any]:
    """Return a magic as IPython calls it: with the local variables, and without expanding ``$name`` in the line."""

    @needs_local_scope
    @no_var_expand
    def run_line(line: str, local_ns: Mapping[str, Any] | None = None) -> Any:
        return magic.call(line, Variables(local_ns or {}, shell.user_ns))

    run_line.__name__ = magic.name
    run_line.__doc__ = magic.description
    return run_line
