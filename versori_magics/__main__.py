"""The command line of the package, ``python -m versori_magics``."""

from __future__ import annotations

import argparse
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_USAGE = 2  # the exit code of argparse for a wrong command line


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the program's name; those of the process if omitted.

    Returns
    -------
    int
        The exit code: 0, 1 if the subcommand failed, 2 if there is no subcommand.

    Raises
    ------
    SystemExit
        With code 2 if the arguments are not valid.
    """
    parser = _build_parser()
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help(sys.stderr)
        return EXIT_USAGE
    run: Callable[[argparse.Namespace], int] = args.run
    return run(args)


def _build_parser() -> argparse.ArgumentParser:
    """Return the parser; each subcommand sets `run`, a function that takes the arguments and returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m versori_magics",
        description="See, plan and safely delete the connections of a Versori organisation.",
        allow_abbrev=False,
    )
    subcommands = parser.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    _add_sandbox_command(subcommands)
    return parser


def _add_sandbox_command(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subcommands.add_parser(
        "sandbox",
        help="serve a local Versori platform with made-up data",
        description="Serve a local Versori platform with made-up data until Ctrl-C.",
        allow_abbrev=False,
    )
    parser.add_argument("--port", type=int, default=8901, help="0 chooses a free port (default: %(default)s)")
    parser.add_argument(
        "--connections", type=int, default=250, metavar="N", help="number of connections (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="seed of the generated data (default: %(default)s)"
    )
    parser.add_argument("--latency", type=float, default=0.0, metavar="MS", help="delay of each response in ms")
    parser.set_defaults(run=partial(_run_sandbox, parser))


def _run_sandbox(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from versori_magics.emulator import Emulator, EmulatorUnavailableError

    try:
        emulator = Emulator(args.connections, args.seed, args.port, latency=args.latency / 1000)
    except ValueError as error:
        parser.error(str(error))
    try:
        with emulator:
            _print_sandbox(emulator.url, emulator.organisation, emulator.token, args.connections)
            threading.Event().wait()
    except EmulatorUnavailableError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_FAILURE
    except KeyboardInterrupt:
        _print_line("\nStopped.")
    return EXIT_OK


def _print_sandbox(url: str, organisation: str, token: str, connections: int) -> None:
    _print_line(f"The sandbox is running at {url} with {connections:,} connections. Press Ctrl-C to stop it.")
    _print_line(f"Its organisation is {organisation}. To use it:\n")
    _print_line(f"export VERSORI_SERVER={url}")
    _print_line(f"export VERSORI_ORGANISATION={organisation}")
    _print_line(f"export VERSORI_TOKEN={token}")


def _print_line(line: str) -> None:
    # Flushed at once, because a script that starts the sandbox waits for these lines.
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
