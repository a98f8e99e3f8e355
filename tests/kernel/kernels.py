"""A real kernel, driven as a notebook drives it: cells, answers to prompts, the stop button, and `kill -9`."""

import os
import queue
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from jupyter_client.manager import KernelManager

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient

Json = dict[str, Any]
PATIENCE = 90.0  # seconds; only a test that fails waits so long


@dataclass
class Cell:
    """What one cell gave: its messages, what it asked, and whether it failed."""

    code: str
    id: str = ""
    outputs: list[Json] = field(default_factory=list)
    """Contents of `stream`, `display_data`, `execute_result` and `error`, in order; updates change their display."""
    updates: int = 0
    prompts: list[str] = field(default_factory=list)
    status: str = ""
    seconds: float = 0

    @property
    def error(self) -> Json | None:
        return next((output for output in self.outputs if "ename" in output), None)

    @property
    def failed(self) -> Json:
        assert self.error is not None, f"the cell did not fail: {self.text}"
        return self.error

    @property
    def text(self) -> str:
        """All that is shown as plain text."""
        return "\n".join(self._texts("text/plain"))

    @property
    def html(self) -> str:
        return "\n".join(self._texts("text/html"))

    @property
    def result(self) -> Json:
        return next(output["data"] for output in self.outputs if "execution_count" in output)

    def _texts(self, kind: str) -> list[str]:
        found = [output.get("data", {}).get(kind, "") or output.get("text", "") for output in self.outputs]
        return [text for text in found if text]


class Kernel:
    """A kernel with these variables in its environment, gone after `close()`."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.wire: list[str] = []
        """Every message of the iopub channel, as text."""
        self._manager = KernelManager(kernel_name="python3")
        self._manager.start_kernel(env={**os.environ, **env}, independent=False)
        self._client: BlockingKernelClient = self._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return int(self._manager.provisioner.pid)  # type: ignore[union-attr]

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.context.destroy(linger=0)

    def interrupt(self) -> None:
        """Press the stop button."""
        self._manager.interrupt_kernel()

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def begin(self, code: str, *, stdin: bool = False) -> Cell:
        """Send a cell and return at once."""
        return Cell(code, self._client.execute(code, allow_stdin=stdin))

    def run(self, code: str, *answers: str | Callable[[], object], stdin: bool | None = None) -> Cell:
        """Run a cell to its end; each prompt takes the next answer: a text, or something to do instead."""
        return self.finish(self.begin(code, stdin=bool(answers) if stdin is None else stdin), *answers)

    def ok(self, code: str) -> Cell:
        """Run a cell that must not fail."""
        cell = self.run(code)
        assert cell.error is None, "\n".join(cell.failed["traceback"])
        return cell

    def value(self, expression: str) -> str:
        """Return the plain text of an expression, the quotation marks of a string taken off."""
        return str(self.ok(expression).result["text/plain"]).strip("'\"")

    def finish(self, cell: Cell, *answers: str | Callable[[], object]) -> Cell:
        """Collect a cell that was begun, to its end."""
        left = list(answers)
        began = time.monotonic()
        displays: dict[str, Json] = {}
        while time.monotonic() - began < PATIENCE:
            self._answer(cell, left)
            try:
                message = self._client.get_iopub_msg(timeout=0.05)
            except queue.Empty:
                assert self._manager.is_alive(), "the kernel has died"
                continue
            self.wire.append(repr(message["content"]))
            if message["parent_header"].get("msg_id") != cell.id:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                cell.status = self._reply(cell.id)
                cell.seconds = time.monotonic() - began
                return cell
            if kind == "update_display_data":
                cell.updates += 1
                displays[content["transient"]["display_id"]]["data"] = content["data"]
            elif kind in {"stream", "display_data", "execute_result", "error"}:
                cell.outputs.append(content)
                if display := content.get("transient", {}).get("display_id"):
                    displays[display] = content
        raise AssertionError(f"the cell did not end: {cell.code}")

    def _answer(self, cell: Cell, left: list[str | Callable[[], object]]) -> None:
        if not self._client.stdin_channel.msg_ready():
            return
        cell.prompts.append(self._client.get_stdin_msg(timeout=5)["content"]["prompt"])
        assert left, f"it asked once more than expected: {cell.prompts}"
        answer = left.pop(0)
        if callable(answer):
            answer()
        else:
            self._client.input(answer)

    def _reply(self, id_: str) -> str:
        while True:
            reply = self._client.get_shell_msg(timeout=PATIENCE)
            self.wire.append(repr(reply["content"]))
            if reply["parent_header"].get("msg_id") == id_:
                return str(reply["content"]["status"])


def lines(error: Json) -> list[str]:
    """Return the lines of an error output as a person sees them."""
    return "\n".join(error["traceback"]).splitlines()


def no_secret(texts: Sequence[str], *secrets: str) -> None:
    for secret in secrets:
        found = [text for text in texts if secret in text]
        assert not found, f"{secret} stands in {found[0]:.500}"
