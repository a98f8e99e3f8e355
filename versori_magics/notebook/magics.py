"""The magics: each reads its line and calls one verb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_magic, magics_class, needs_local_scope, no_var_expand

from versori_magics.notebook.arguments import Lookup, MagicParser
from versori_magics.settings import MAX_ROWS, WORKERS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

ORG = "ULID, a variable that holds one, or . for the connected organisation"
CONN = "ULID, or a variable: text, list, Series or DataFrame with a column id"


def _connect_parser() -> MagicParser:
    parser = MagicParser(
        "versori_connect",
        "Connect to a server and an organisation; sends nothing. The token comes from VERSORI_TOKEN, from the vendor\n"
        "CLI's context, or is asked for; it is never on this line.",
        "  %versori_connect\n  %versori_connect my-context\n"
        "  %versori_connect --server staging --org 01ARZ3NDEKTSV4RRFFQ69G5FAV --auth cookie",
    )
    parser.add_argument("CONTEXT", nargs="?", help="context of the vendor's CLI (default: the active one)")
    parser.add_argument("--server", metavar="S", help="production, staging, development or a URL")
    parser.add_argument("--org", metavar="ULID", help="the organisation that . stands for")
    parser.add_argument("--auth", metavar="KIND", help="auto (default), bearer, jwt or cookie")
    return parser


def _connections_parser() -> MagicParser:
    parser = MagicParser(
        "versori_connections",
        "List an organisation's connections as a DataFrame: all of them, or an error.",
        "  df = %versori_connections . --usage\n  %versori_connections . --system Shopify\n"
        "  %versori_connections $org --project Orders --environment production",
    )
    parser.add_argument("ORG", help=ORG)
    parser.add_argument("--system", metavar="S", help="only those to this system: id, name or domain")
    parser.add_argument("--end-user", metavar="U", help="only those of this end user: id or external id")
    parser.add_argument("--project", metavar="P", help="only those that this project needs: id or name")
    parser.add_argument("--environment", metavar="E", help="only those that this environment needs: id or name")
    parser.add_argument("--usage", action="store_true", help="also who uses each: kind, in_use, used_by, running")
    return parser


def _connection_parser() -> MagicParser:
    parser = MagicParser(
        "versori_connection",
        "Show one connection with its usage.",
        "  %versori_connection . 01ARZ3NDEKTSV4RRFFQ69G5FAV",
    )
    parser.add_argument("ORG", help=ORG)
    parser.add_argument("CONN", help="ULID, or a variable that holds one")
    return parser


def _delete_parser() -> MagicParser:
    parser = MagicParser(
        "versori_delete",
        "Delete connections. What is in use is kept, and you are asked before anything is sent.",
        "  %versori_delete . 01ARZ3NDEKTSV4RRFFQ69G5FAV --dry-run\n"
        "  report = %versori_delete . unused\n"
        "  %versori_delete . unused --yes --max 500",
    )
    parser.add_argument("ORG", help=ORG)
    parser.add_argument("CONN", nargs="+", help=CONN)
    parser.add_argument("--dry-run", action="store_true", help="only show the plan: what would go, what is kept, why")
    parser.add_argument("--yes", action="store_true", help="consent beforehand, for unattended runs")
    parser.add_argument("--max", metavar="N", type=int, default=MAX_ROWS, help=f"rows at most (default {MAX_ROWS})")
    parser.add_argument("--break", metavar="ID", nargs="+", default=[], help="ids that may go although they are in use")
    parser.add_argument("--protect", metavar="FILE", help="connections never to delete (default: VERSORI_PROTECT)")
    parser.add_argument("--workers", metavar="N", type=int, default=WORKERS, help=f"1 to 32 (default {WORKERS})")
    return parser


def _runs_parser() -> MagicParser:
    return MagicParser("versori_runs", "List the runs, the newest first.", "  %versori_runs")


def _resume_parser() -> MagicParser:
    parser = MagicParser(
        "versori_resume",
        "Finish a run that was stopped or cut off. Its unfinished rows are looked at first; consent is asked anew.",
        "  %versori_resume 01ARZ3NDEKTSV4RRFFQ69G5FAV",
    )
    parser.add_argument("RUN", help="the run's id, as %%versori_runs lists it")
    parser.add_argument("--yes", action="store_true", help="consent beforehand, for unattended runs")
    parser.add_argument("--workers", metavar="N", type=int, default=WORKERS, help=f"1 to 32 (default {WORKERS})")
    return parser


def _form_parser() -> MagicParser:
    parser = MagicParser(
        "versori_form",
        "Show a form to see, pick, preview and delete connections by clicking.",
        "  form = %versori_form\n  %versori_form $org",
    )
    parser.add_argument("ORG", nargs="?", default=".", help=f"{ORG} (default)")
    return parser


def _sandbox_parser() -> MagicParser:
    parser = MagicParser(
        "versori_sandbox",
        "Start a local platform with a made-up organisation, and connect to it: nothing real can be harmed.",
        "  %versori_sandbox\n  %versori_sandbox reset\n  %versori_sandbox start --connections 3000 --seed 7",
    )
    parser.add_argument("ACTION", nargs="?", default="start", choices=("start", "stop", "reset"), help="default: start")
    parser.add_argument("--connections", metavar="N", type=int, default=250, help="how many (default 250)")
    parser.add_argument("--seed", metavar="N", type=int, default=1, help="another organisation each (default 1)")
    return parser


PARSERS: dict[str, Callable[[], MagicParser]] = {
    "versori_connect": _connect_parser,
    "versori_connections": _connections_parser,
    "versori_connection": _connection_parser,
    "versori_delete": _delete_parser,
    "versori_runs": _runs_parser,
    "versori_resume": _resume_parser,
    "versori_form": _form_parser,
    "versori_sandbox": _sandbox_parser,
}


@magics_class
class VersoriMagics(Magics):
    """The line magics; each returns what its verb returns."""

    def _read(self, magic: str, line: str, local_ns: dict[str, Any] | None) -> tuple[argparse.Namespace, Lookup, Any]:
        """Return what the line says, the look-up of variables, and the help where that is asked for."""
        from versori_magics.notebook.shown import Text

        parser = PARSERS[magic]()
        said = parser.read(line)
        user_ns: dict[str, Any] = getattr(self.shell, "user_ns", {})
        return said, Lookup(local_ns or {}, user_ns), Text(parser.format_help()) if said.help else None

    @needs_local_scope
    @no_var_expand
    @line_magic
    def versori_connect(self, line: str, local_ns: dict[str, Any] | None = None) -> Any:
        """Connect to a server and an organisation; see %versori_connect --help."""
        from versori_magics.notebook import reading

        said, found, asked = self._read("versori_connect", line, local_ns)
        return asked or reading.connect(
            found.text(said.CONTEXT),
            server=found.text(said.server),
            org=found.text(said.org),
            auth=found.text(said.auth),
        )

    @needs_local_scope
    @no_var_expand
    @line_magic
    def versori_connections(self, line: str, local_ns: dict[str, Any] | None = None) -> Any:
        """List an organisation's connections; see %versori_connections --help."""
        from versori_magics.notebook import reading

        said, found, asked = self._read("versori_connections", line, local_ns)
        if asked is not None:
            return asked
        return reading.connections(
            found.organisation(said.ORG),
            system=found.text(said.system),
            end_user=found.text(said.end_user),
            project=found.text(said.project),
            environment=found.text(said.environment),
            usage=said.usage,
        )

    @needs_local_scope
    @no_var_expand
    @line_magic
    def versori_connection(self, line: str, local_ns: dict[str, Any] | None = None) -> Any:
        """Show one connection with its usage; see %versori_connection --help."""
        from versori_magics.notebook import reading

        said, found, asked = self._read("versori_connection", line, local_ns)
        return asked or reading.connection(found.organisation(said.ORG), found.selection([said.CONN]))

    @needs_local_scope
    @no_var_expand
    @line_magic
    def versori_delete(self, line: str, local_ns: dict[str, Any] | None = None) -> Any:
        """Delete connections; see %versori_delete --help."""
        from versori_magics.notebook import deleting

        said, found, asked = self._read("versori_delete", line, local_ns)
        if asked is not None:
            return asked
        org, selection = found.organisation(said.ORG), found.selection(said.CONN)
        breaking, protect = found.ids(getattr(said, "break")), found.text(said.protect)
        if said.dry_run:
            return deleting.plan(org, selection, allow_breaking=breaking, protect=protect)
        return deleting.delete(
            org,
            selection,
            yes=said.yes,
            max=said.max,
            allow_breaking=breaking,
            protect=protect,
            workers=said.workers,
        )

    @needs_local_scope
    @no_var_expand
    @line_magic
    def versori_runs(self, line: str, local_ns: dict[str, Any] | None = None) -> Any:
        """List the runs; see %versori_runs --help."""
        from versori_magics.notebook import reading

        asked = self._read("versori_runs", line, local_ns)[2]
        return reading.runs() if asked is None else asked

    @needs_local_scope
    @no_var_expand
    @line_magic
    def versori_resume(self, line: str, local_ns: dict[str, Any] | None = None) -> Any:
        """Finish a run that was stopped or cut off; see %versori_resume --help."""
        from versori_magics.notebook import deleting

        said, found, asked = self._read("versori_resume", line, local_ns)
        return asked or deleting.resume(found.selection([said.RUN]), yes=said.yes, workers=said.workers)

    @needs_local_scope
    @no_var_expand
    @line_magic
    def versori_form(self, line: str, local_ns: dict[str, Any] | None = None) -> Any:
        """Show a form; see %versori_form --help."""
        said, found, asked = self._read("versori_form", line, local_ns)
        if asked is not None:
            return asked
        from versori_magics.notebook.form import form

        return form(found.organisation(said.ORG))

    @needs_local_scope
    @no_var_expand
    @line_magic
    def versori_sandbox(self, line: str, local_ns: dict[str, Any] | None = None) -> Any:
        """Start a local platform and connect to it; see %versori_sandbox --help."""
        from versori_magics.notebook import yard

        said, _, asked = self._read("versori_sandbox", line, local_ns)
        return asked or yard.sandbox(said.ACTION, connections=said.connections, seed=said.seed)
