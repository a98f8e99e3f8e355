"""A real kernel, driven as a notebook drives it: cells, answers to prompts, the stop button, and `kill -9`."""

import os
import queue
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import nbformat
from jupyter_client.manager import KernelManager

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient

Json = dict[str, Any]
TIMEOUT = 90.0  # seconds; only a test that fails waits so long


@dataclass
class Cell:
    """A cell that was run: its messages, its prompts, and whether it failed."""

    code: str
    id: str = ""
    messages: list[Json] = field(default_factory=list)
    """`stream`, `display_data`, `execute_result` and `error`, in order; updates change the displays among them."""
    updates: int = 0
    prompts: list[str] = field(default_factory=list)
    status: str = ""
    seconds: float = 0

    @property
    def outputs(self) -> list[Json]:
        """The contents of the messages."""
        return [message["content"] for message in self.messages]

    @property
    def error(self) -> Json | None:
        return next((output for output in self.outputs if "ename" in output), None)

    @property
    def failure(self) -> Json:
        """The error of a cell that must have failed."""
        assert self.error is not None, f"the cell did not fail: {self.text}"
        return self.error

    @property
    def text(self) -> str:
        """Everything that is shown as plain text."""
        return "\n".join(self._texts("text/plain"))

    @property
    def html(self) -> str:
        return "\n".join(self._texts("text/html"))

    @property
    def result(self) -> Json:
        return next(output["data"] for output in self.outputs if "execution_count" in output)

    def as_saved(self) -> Any:
        """Return the cell as a notebook saves it."""
        outputs = [nbformat.v4.output_from_msg(message) for message in self.messages]
        return nbformat.v4.new_code_cell(self.code, outputs=outputs)

    def _texts(self, mime_type: str) -> list[str]:
        texts = [output.get("data", {}).get(mime_type, "") or output.get("text", "") for output in self.outputs]
        return [text for text in texts if text]


class Kernel:
    """A kernel, which is gone after `close()`.

    Parameters
    ----------
    env : mapping
        Variables for its environment.
    connection_file : path, optional
        Default: a new one with a random name.
    """

    def __init__(self, env: Mapping[str, str], connection_file: Path | None = None) -> None:
        self.received: list[str] = []
        """The content of every message from the kernel, as text."""
        self._manager = KernelManager(kernel_name="python3", connection_file=str(connection_file or ""))
        self._manager.start_kernel(env={**os.environ, **env}, independent=False)
        self._client = self.new_client()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return int(self._manager.provisioner.pid)  # type: ignore[union-attr]

    def new_client(self) -> "BlockingKernelClient":
        """Connect another client, such as a second tab of a browser."""
        client: BlockingKernelClient = self._manager.blocking_client()
        client.start_channels()
        client.wait_for_ready(timeout=TIMEOUT)
        return client

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

    def ok(self, code: str, *, stdin: bool = False) -> Cell:
        """Run a cell that must not fail."""
        cell = self.run(code, stdin=stdin)
        assert cell.error is None, "\n".join(cell.failure["traceback"])
        return cell

    def value(self, expression: str) -> str:
        """Return the plain text of an expression, without the quotation marks of a string."""
        return str(self.ok(expression).result["text/plain"]).strip("'\"")

    def finish(self, cell: Cell, *answers: str | Callable[[], object]) -> Cell:
        """Collect the messages of a cell that was begun, to its end."""
        remaining = list(answers)
        began = time.monotonic()
        displays: dict[str, Json] = {}
        while time.monotonic() - began < TIMEOUT:
            self._answer_prompt(cell, remaining)
            try:
                message = self._client.get_iopub_msg(timeout=0.05)
            except queue.Empty:
                assert self._manager.is_alive(), "the kernel has died"
                continue
            self.received.append(repr(message["content"]))
            if message["parent_header"].get("msg_id") != cell.id:
                continue
            message_type, content = message["msg_type"], message["content"]
            if message_type == "status" and content["execution_state"] == "idle":
                cell.status = self._status(cell.id)
                cell.seconds = time.monotonic() - began
                return cell
            if message_type == "update_display_data":
                cell.updates += 1
                displays[content["transient"]["display_id"]]["data"] = content["data"]
            elif message_type in {"stream", "display_data", "execute_result", "error"}:
                cell.messages.append(message)
                if display := content.get("transient", {}).get("display_id"):
                    displays[display] = content
        raise AssertionError(f"the cell did not end: {cell.code}")

    def _answer_prompt(self, cell: Cell, remaining: list[str | Callable[[], object]]) -> None:
        if not self._client.stdin_channel.msg_ready():
            return
        cell.prompts.append(self._client.get_stdin_msg(timeout=5)["content"]["prompt"])
        assert remaining, f"it asked once more than expected: {cell.prompts}"
        answer = remaining.pop(0)
        if callable(answer):
            answer()
        else:
            self._client.input(answer)

    def _status(self, id_: str) -> str:
        while True:
            reply = self._client.get_shell_msg(timeout=TIMEOUT)
            self.received.append(repr(reply["content"]))
            if reply["parent_header"].get("msg_id") == id_:
                return str(reply["content"]["status"])


def error_lines(error: Json) -> list[str]:
    """Return the lines of an error output as a person sees them."""
    return "\n".join(error["traceback"]).splitlines()


def assert_no_secret(texts: Sequence[str], *secrets: str) -> None:
    for secret in secrets:
        leaks = [text for text in texts if secret in text]
        assert not leaks, f"{secret} stands in {leaks[0]:.500}"
