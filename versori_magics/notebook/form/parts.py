"""The widgets that the form's panes are made of. Text from the server is data: it is only shown escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from versori_magics.notebook import render

if TYPE_CHECKING:
    from collections.abc import Callable


def button(text: str, name: str, do: Callable[[], Any], *, style: str = "", enabled: bool = True) -> widgets.Button:
    """Return a button with a CSS class for tests and styles, that calls `do`."""
    made = widgets.Button(description=text, button_style=style, disabled=not enabled, tooltip=text)
    made.layout.width = "auto"
    made.add_class(f"vs-{name}")
    made.on_click(lambda _: do())
    return made


def line(name: str, text: str = "") -> widgets.Label:
    """Return a line of text that is never read as HTML."""
    made = widgets.Label(value=text)
    made.add_class(f"vs-{name}")
    return made


def page(name: str) -> widgets.HTML:
    """Return a place for HTML of `render`, which escapes."""
    made = widgets.HTML()
    made.add_class(f"vs-{name}")
    return made


def note(text: str, tone: str = "note") -> str:
    """Return a text of several lines as escaped HTML."""
    lines = "<br>".join(render.cell(part, 600) for part in text.splitlines())
    return render.box(f'<div class="{tone}" role="status" style="padding-left:.6em">{lines}</div>') if lines else ""


def field(label: str, name: str, hint: str) -> tuple[widgets.Text, widgets.Label, widgets.VBox]:
    """Return a text field, the line for its error, and the box with both."""
    text = widgets.Text(
        description=label, placeholder=hint, continuous_update=True, layout=widgets.Layout(width="34em")
    )
    text.style.description_width = "8em"
    text.add_class(f"vs-{name}")
    wrong = line(f"{name}-error")
    wrong.layout.margin = "0 0 0 8.5em"  # below what was typed
    return text, wrong, widgets.VBox([text, wrong])
