"""Serve the sandbox in the foreground: ``python -m versori_magics.sandbox``."""

from __future__ import annotations

import argparse
import sys
import threading

from versori_magics.sandbox.server import Sandbox, SandboxUnavailableError


def main(arguments: list[str] | None = None) -> int:
    """Serve until Ctrl-C.

    Parameters
    ----------
    arguments : list of str, optional
        The command line, without the program's name.

    Returns
    -------
    int
        The exit code: 0, or 1 where it could not be started.
    """
    parser = argparse.ArgumentParser(
        prog="python -m versori_magics.sandbox",
        description="Serve a local Versori platform to try everything on, until Ctrl-C.",
        allow_abbrev=False,
    )
    parser.add_argument("--port", type=int, default=8901, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--connections", type=int, default=250, metavar="N", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="same seed, same ids (default: %(default)s)")
    parser.add_argument("--latency", type=float, default=0.0, metavar="MS", help="milliseconds each request waits")
    chosen = parser.parse_args(arguments)
    try:
        sandbox = Sandbox(chosen.connections, chosen.seed, chosen.port, latency=chosen.latency / 1000)
    except ValueError as error:
        parser.error(str(error))
    try:
        with sandbox:
            _say(f"The sandbox is at {sandbox.url}, with {chosen.connections:,} connections. Ctrl-C stops it.")
            _say(f"Its organisation is {sandbox.organisation}. To try it:\n")
            _say(f"export VERSORI_SERVER={sandbox.url}")
            _say(f"export VERSORI_ORGANISATION={sandbox.organisation}")
            _say(f"export VERSORI_TOKEN={sandbox.token}")
            threading.Event().wait()
    except SandboxUnavailableError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        _say("\nStopped.")
    return 0


def _say(line: str) -> None:
    # Flushed: whoever starts it from a script waits for these lines.
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
