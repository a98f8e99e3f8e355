"""The hostile platform in a process of its own: `python tests/support/hostile_process.py --free 50`.

It is judged by `GET /__state` and changed by `POST /__world` below its url, without credentials; neither is recorded.
"""

import argparse
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.fault_answers import Answer, from_json
from support.hostile_platform import TOKEN, HostilePlatform, RecordedRequest
from support.hostile_world import world


def control(platform: HostilePlatform, request: RecordedRequest) -> Answer | None:
    """Answer `/__state` and `/__world`; return None for any other request."""
    if request.target not in {"/__state", "/__world"}:
        return None
    with platform.lock:
        try:
            commands = json.loads(request.body or b"{}").items()
            results = [_obey(platform, command, value) for command, value in commands]
            return Answer(200, json.dumps({**platform.state(), "made": results}).encode())
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            return Answer(400, repr(problem).encode())


def _obey(platform: HostilePlatform, command: str, value: Any) -> str | None:
    match command:
        case "add" | "link" | "activate" | "remove":
            result: str | None = getattr(platform.world, command)(**value)
            return result
        case "on":
            faults = [from_json(spec) for spec in value["faults"]]
            platform.on(value["method"], value["path"], *faults, times=value.get("times"), every=value.get("every"))
        case "script":
            platform.script |= {id_: [from_json(spec) for spec in specs] for id_, specs in value.items()}
        case "latency" | "token":
            setattr(platform, command, value)
        case "dead_token_after" | "rate_limit":
            getattr(platform, command)(**value)
        case _:
            raise KeyError(command)
    return None


def main() -> None:
    """Serve until the parent process is gone or a signal comes; the first line printed is the state."""
    parser = argparse.ArgumentParser(description=__doc__)
    for number in ("static", "dynamic", "free", "seed", "port"):
        parser.add_argument(f"--{number}", type=int, default=0)
    parser.add_argument("--page-cap", type=int, default=1000)
    parser.add_argument("--latency", type=float, default=0)
    parser.add_argument("--token", default=TOKEN)
    parser.add_argument("--scheme", choices=["bearer", "jwt", "cookie", "any"], default="bearer")
    parser.add_argument("--prefix", default="")
    arguments = parser.parse_args()
    served = world(arguments.static, arguments.dynamic, arguments.free, arguments.seed, page_cap=arguments.page_cap)
    options = {name: getattr(arguments, name) for name in ("token", "scheme", "prefix", "latency", "port")}
    parent = os.getppid()
    with suppress(KeyboardInterrupt), HostilePlatform(served, **options) as platform:
        platform.control = control
        sys.stdout.write(json.dumps(platform.state()) + "\n")
        sys.stdout.flush()
        while os.getppid() == parent:
            time.sleep(0.2)


if __name__ == "__main__":
    main()
