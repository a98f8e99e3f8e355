"""The form's Cancel in each kind of kernel, clicked as JupyterLab clicks: with messages on the shell channel.

Where a click handler runs is the kernel's choice, and it changed from version to version: queued in the main thread, in
a subshell's thread, in changing event loops. So each version is a real kernel of its own.
"""

import json
import os
import queue
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from faults.hostile import HostilePlatform, delay, world
from kernel.kernels import PATIENCE, Json, Kernel

OLD, FIRST_WITH_SUBSHELLS, NEW = VERSIONS = ("6.31", "7.0", "7.4")
# What the versions need beside what any ipykernel in the tests' environment has brought along.
BESIDE = ("nest-asyncio", "nest-asyncio2", "psutil")
ROUTES = [(OLD, "shell"), *((version, route) for version in VERSIONS[1:] for route in ("shell", "subshell"))]
WITHIN = 0.2  # seconds from the click until nothing more is sent
WORKERS = 8
LATENCY = 0.1
ROWS = 200


@pytest.fixture
def platform(server: HostilePlatform) -> Iterator[HostilePlatform]:
    server.reset(world(free=ROWS, static=2))
    yield server
    server.verify()


def _unreachable(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"CI must run Cancel in each kernel: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def overlays(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give a folder a version, which put before all others makes that version the kernel."""
    made = {version: tmp_path_factory.mktemp("ipykernel") for version in VERSIONS}
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    installs = [
        subprocess.Popen(
            [*pip, "--target", str(folder), f"ipykernel=={version}.*", *BESIDE],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for version, folder in made.items()
    ]
    said = [install.communicate()[0] for install in installs]
    for install, words in zip(installs, said, strict=True):
        if install.returncode != 0:
            _unreachable(f"ipykernel cannot be installed: {' '.join(words.split()[-30:])}")
    return made


@pytest.fixture(scope="module")
def kernels(overlays: dict[str, Path], env: dict[str, str]) -> Iterator[Callable[[str], Kernel]]:
    """Give a kernel of each version, started when it is first asked for."""
    with ExitStack() as stack:

        @cache
        def start(version: str) -> Kernel:
            paths = filter(None, [str(overlays[version]), os.environ.get("PYTHONPATH")])
            made = stack.enter_context(Kernel({**env, "PYTHONPATH": os.pathsep.join(paths)}))
            assert made.value("__import__('ipykernel').__version__").startswith(f"{version}.")
            return made

        yield start


@pytest.fixture
def running(request: pytest.FixtureRequest, kernels: Callable[[str], Kernel]) -> Kernel:
    return kernels(request.param)


class Page:
    """What a browser knows of a kernel's widgets, and does to them: only what goes over the channels."""

    def __init__(self, kernel: Kernel, route: str) -> None:
        self._client = kernel._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=PATIENCE)
        self._models: dict[str, Json] = {}
        self.history: list[tuple[str, Json]] = []
        self.custom: list[tuple[str, Json, list[bytes]]] = []
        self.subshell: str | None = None
        if route == "subshell":
            self.subshell = self._control("create_subshell_request")["subshell_id"]

    def close(self) -> None:
        if self.subshell is not None:
            self._control("delete_subshell_request", subshell_id=self.subshell)
        self._client.stop_channels()

    def _control(self, kind: str, **content: object) -> Json:
        message = self._client.session.msg(kind, content)
        self._client.control_channel.send(message)
        while True:
            reply: Json = self._client.get_control_msg(timeout=PATIENCE)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                assert reply["content"]["status"] == "ok", reply["content"]
                return dict(reply["content"])

    def until(self, holds: Callable[[], object]) -> None:
        """Take in what the kernel tells, until this holds."""
        end = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < end, f"it never came to hold; the last that was told: {self.history[-5:]}"
            try:
                message = self._client.get_iopub_msg(timeout=0.05)
            except queue.Empty:
                continue
            self._take(message)

    def _take(self, message: Json) -> None:
        kind, content = message["msg_type"], message["content"]
        if kind == "comm_open" and content["target_name"] == "jupyter.widget":
            self._models[content["comm_id"]] = dict(content["data"]["state"])
        elif kind == "comm_msg" and content["comm_id"] in self._models:
            data = content["data"]
            if data["method"] == "update":
                self._models[content["comm_id"]].update(data["state"])
                self.history.append((content["comm_id"], data["state"]))
            elif data["method"] == "custom":
                self.custom.append((content["comm_id"], data["content"], [bytes(one) for one in message["buffers"]]))

    def id(self, name: str) -> str | None:
        """Return the widget with this CSS class."""
        classes = ((key, state.get("_dom_classes", ())) for key, state in self._models.items())
        return next((key for key, found in classes if f"vs-{name}" in found), None)

    def state(self, name: str) -> Json:
        return self._models.get(self.id(name) or "", {})

    def send(self, to: str, data: Json) -> float:
        """Send a message to a widget; return when."""
        message = self._client.session.msg("comm_msg", {"comm_id": to, "data": data})
        if self.subshell is not None:
            message["header"]["subshell_id"] = self.subshell
        at = time.monotonic()
        self._client.shell_channel.send(message)
        return at

    def click(self, name: str) -> float:
        """Click a button as soon as a person could; return when."""
        self.until(lambda: self.state(name).get("disabled") is False)
        return self.send(self.id(name) or "", {"method": "custom", "content": {"event": "click"}})

    def type(self, name: str, text: str) -> None:
        self.send(self.id(name) or "", {"method": "update", "state": {"value": text}, "buffer_paths": []})

    def reads(self, name: str, start: str) -> None:
        """Wait for a text."""
        self.until(lambda: str(self.state(name).get("value", "")).startswith(start))

    def idle(self) -> None:
        """Wait until no job is under way."""
        self.until(lambda: self.state("status").get("value") == "" and self.state("refresh").get("disabled") is False)

    def select(self, ids: list[str]) -> None:
        """Select rows in the table, as its JavaScript does."""
        table = next(key for key, state in self._models.items() if "_esm" in state)
        self.send(table, {"method": "custom", "content": {"type": "ready"}})
        self.until(lambda: any(set(json.loads(rows)["id"]) >= set(ids) for rows in self._rows(table)))
        message = {"type": "select", "on": ids, "off": []}
        self.send(table, {"method": "custom", "content": message})
        self.until(lambda: self.state("preview").get("description") == f"Preview deletion of {len(ids)}")

    def _rows(self, table: str) -> list[bytes]:
        return [buffers[0] for key, content, buffers in self.custom if key == table and content["type"] == "rows"]

    def agree(self, words: str) -> None:
        self.reads("words", f"To do it, type: {words}")
        self.type("consent", words)
        self.click("delete")

    def said(self, name: str) -> list[str]:
        """Return every text that a widget has shown."""
        return [state["value"] for key, state in self.history if key == self.id(name) and "value" in state]


@pytest.fixture
def page(kernel: Kernel, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Give a form whose connections are listed."""
    opened = Page(kernel, request.param)
    kernel.ok("form = versori.form('.')")
    opened.until(lambda: any(opened.said("status")))
    opened.idle()
    yield opened
    opened.close()


def outcomes(kernel: Kernel) -> dict[str, set[str]]:
    """Return outcome -> ids as the form's report has them."""
    rows: list[tuple[str, str]] = json.loads(
        kernel.value("__import__('json').dumps([(row.id, row.outcome.value) for row in form.report.rows])")
    )
    found: dict[str, set[str]] = {}
    for id_, outcome in rows:
        found.setdefault(outcome, set()).add(id_)
    assert sum(map(len, found.values())) == len(rows)  # one outcome an id
    return found


def begin(page: Page, platform: HostilePlatform) -> None:
    """Start to delete all that is free, and wait until some of it is gone."""
    platform.latency = LATENCY
    page.select(platform.world.free)
    page.click("preview")
    page.agree(f"delete {ROWS}")
    platform.wait_for(lambda: len(platform.deleted) >= 3 * WORKERS, timeout=PATIENCE)


def stopped_within(platform: HostilePlatform, clicked: float) -> None:
    """Judge by what arrived at the server, and when: a slow machine is slow in the run before the click too."""
    arrived: dict[int, list[float]] = {}
    for request in platform.deletes:
        arrived.setdefault(request.connection, []).append(request.at)
    turns = [later - before for times in arrived.values() for before, later in pairwise(times)]
    after = [request.at - clicked for request in platform.deletes if request.at > clicked]
    assert [seconds for seconds in after if seconds > WITHIN + max(turns)] == []
    assert len(after) <= WORKERS * (1 + WITHIN / LATENCY)
    assert len(platform.deletes) < ROWS / 2


@pytest.mark.parametrize(("running", "page"), ROUTES, indirect=True)
def test_after_cancel_nothing_more_is_sent_and_it_is_known_what_has_gone_and_the_rest_can_be_finished(
    kernel: Kernel, page: Page, platform: HostilePlatform
) -> None:
    begin(page, platform)
    clicked = page.click("cancel")
    page.reads("report", "Done:")
    page.idle()
    stopped_within(platform, clicked)

    gone, free = platform.deleted, set(platform.world.free)
    assert outcomes(kernel) == {"deleted": gone, "not_attempted": free - gone}
    assert len(platform.deletes) == len(gone)
    (said,) = [text for text in page.said("progress") if text.startswith("Cancelled: nothing more is sent")]
    (not_done,) = map(int, re.findall(r"what is in flight ends \((\d+) rows not done\)", said))
    assert ROWS - len(gone) <= not_done < ROWS
    last = page.said("progress")[-1]
    assert "0 in flight · stopping: nothing more is sent" in last
    left = len(free - gone)
    assert f"{len(gone)} deleted · {left} not_attempted" in page.said("report")[-1]
    assert page.state("cancel")["disabled"] is True

    platform.latency = 0
    page.click("retry")
    page.agree(f"delete {left}")
    page.reads("report", f"Done: {ROWS} deleted.")
    page.idle()
    assert outcomes(kernel) == {"deleted": free}
    assert all(platform.sends(id_) == 1 for id_ in free)

    page.select(platform.world.static)
    page.click("preview")
    page.reads("question", "Nothing of this would go.")
    assert page.said("error") == [""] * len(page.said("error"))


@pytest.mark.parametrize(("running", "page"), [route for route in ROUTES if route[1] == "subshell"], indirect=True)
def test_in_a_subshell_cancel_need_not_wait_for_a_cell_that_runs(
    kernel: Kernel, page: Page, platform: HostilePlatform
) -> None:
    begin(page, platform)
    cell = kernel.begin("__import__('threading').Event().wait(600)")
    clicked = page.click("cancel")
    page.reads("report", "Done:")
    stopped_within(platform, clicked)
    kernel.interrupt()
    assert kernel.finish(cell).failed["ename"] == "KeyboardInterrupt"
    assert outcomes(kernel)["deleted"] == platform.deleted


@pytest.mark.parametrize(("running", "page"), [ROUTES[0], ROUTES[-1]], indirect=True)
def test_cancel_while_the_plan_is_looked_at_again_sends_nothing(
    kernel: Kernel, page: Page, platform: HostilePlatform
) -> None:
    page.select(platform.world.free)
    page.click("preview")
    page.reads("words", f"To do it, type: delete {ROWS}")
    looked = len(platform.requests)
    platform.on("GET", "/connections", delay(0.5))
    page.agree(f"delete {ROWS}")
    platform.wait_for(lambda: len(platform.requests) > looked, timeout=PATIENCE)
    page.click("cancel")
    page.reads("report", f"Done: {ROWS} not_attempted.")
    assert platform.deletes == []
    assert outcomes(kernel) == {"not_attempted": set(platform.world.free)}
