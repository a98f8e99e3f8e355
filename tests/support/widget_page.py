"""A browser page that shows a kernel's widgets, without a browser: only the messages that JupyterLab would send."""

import json
import queue
import time
from collections.abc import Callable

from support.kernels import TIMEOUT, Json, Kernel


class WidgetPage:
    """Knows the state of every widget that is created after it was opened, and clicks and types.

    Parameters
    ----------
    kernel : Kernel
        Where the widgets are.
    uses_subshell : bool
        Whether its messages are handled in a subshell, as JupyterLab does since 4.4.
    """

    def __init__(self, kernel: Kernel, *, uses_subshell: bool = False) -> None:
        self._client = kernel.new_client()
        self._models: dict[str, Json] = {}
        self.updates: list[tuple[str, Json]] = []
        """(widget, changed state) in order."""
        self._custom: list[tuple[str, Json, list[bytes]]] = []
        self._subshell: str | None = None
        if uses_subshell:
            self._subshell = self._control("create_subshell_request")["subshell_id"]

    def close(self) -> None:
        if self._subshell is not None:
            self._control("delete_subshell_request", subshell_id=self._subshell)
        self._client.stop_channels()

    def _control(self, message_type: str, **content: object) -> Json:
        message = self._client.session.msg(message_type, content)
        self._client.control_channel.send(message)
        while True:
            reply: Json = self._client.get_control_msg(timeout=TIMEOUT)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                assert reply["content"]["status"] == "ok", reply["content"]
                return dict(reply["content"])

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Receive messages until the condition holds."""
        end = time.monotonic() + TIMEOUT
        while not condition():
            assert time.monotonic() < end, f"it never came to hold; the last updates: {self.updates[-5:]}"
            try:
                message = self._client.get_iopub_msg(timeout=0.05)
            except queue.Empty:
                continue
            self._receive(message)

    def _receive(self, message: Json) -> None:
        message_type, content = message["msg_type"], message["content"]
        if message_type == "comm_open" and content["target_name"] == "jupyter.widget":
            self._models[content["comm_id"]] = dict(content["data"]["state"])
        elif message_type == "comm_msg" and content["comm_id"] in self._models:
            data = content["data"]
            if data["method"] == "update":
                self._models[content["comm_id"]].update(data["state"])
                self.updates.append((content["comm_id"], data["state"]))
            elif data["method"] == "custom":
                buffers = [bytes(buffer) for buffer in message["buffers"]]
                self._custom.append((content["comm_id"], data["content"], buffers))

    def find(self, name: str) -> str | None:
        """Return the id of the widget with the CSS class ``vs-NAME``; None if there is none yet."""
        classes = ((key, state.get("_dom_classes", ())) for key, state in self._models.items())
        return next((key for key, names in classes if f"vs-{name}" in names), None)

    def state(self, name: str) -> Json:
        return self._models.get(self.find(name) or "", {})

    def values(self, name: str) -> list[str]:
        """Return every text that a widget has shown since it was created."""
        widget = self.find(name)
        return [state["value"] for key, state in self.updates if key == widget and "value" in state]

    def send(self, widget: str, data: Json) -> float:
        """Send a message to a widget, and return when."""
        message = self._client.session.msg("comm_msg", {"comm_id": widget, "data": data})
        if self._subshell is not None:
            message["header"]["subshell_id"] = self._subshell
        sent_at = time.monotonic()
        self._client.shell_channel.send(message)
        return sent_at

    def click(self, name: str) -> float:
        """Click a button as soon as a person could, and return when."""
        self.wait_until(lambda: self.state(name).get("disabled") is False)
        return self.send(self.find(name) or "", {"method": "custom", "content": {"event": "click"}})

    def type(self, name: str, text: str) -> None:
        self.send(self.find(name) or "", {"method": "update", "state": {"value": text}, "buffer_paths": []})

    def wait_for_text(self, name: str, start: str) -> None:
        """Wait until a widget shows a text with this beginning."""
        self.wait_until(lambda: str(self.state(name).get("value", "")).startswith(start))

    def select_rows(self, ids: list[str]) -> None:
        """Select rows in the table of connections, as its JavaScript does."""
        table = next(key for key, state in self._models.items() if "_esm" in state)
        self.send(table, {"method": "custom", "content": {"type": "ready"}})
        self.wait_until(lambda: any(set(json.loads(rows)["id"]) >= set(ids) for rows in self._rows(table)))
        message = {"type": "select", "selected": ids, "deselected": []}
        self.send(table, {"method": "custom", "content": message})

    def _rows(self, table: str) -> list[bytes]:
        return [buffers[0] for key, content, buffers in self._custom if key == table and content["type"] == "rows"]
