"""The widgets that the panes of the form are made of. Text from the server is only ever shown escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets

from versori_magics.presentation import html

if TYPE_CHECKING:
    from collections.abc import Callable


def button(
    label: str, name: str, action: Callable[[], object], *, style: str = "", enabled: bool = True
) -> ipywidgets.Button:
    """Return a button that calls `action`, with the CSS class ``vs-NAME``."""
    widget = ipywidgets.Button(description=label, button_style=style, disabled=not enabled, tooltip=label)
    widget.layout.width = "auto"
    widget.add_class(f"vs-{name}")
    widget.on_click(lambda _: action())
    return widget


def text_line(name: str, text: str = "") -> ipywidgets.Label:
    """Return a line of text that is never read as HTML."""
    widget = ipywidgets.Label(value=text)
    widget.add_class(f"vs-{name}")
    return widget


def html_area(name: str) -> ipywidgets.HTML:
    """Return a place for HTML from `presentation.html`, which escapes."""
    widget = ipywidgets.HTML()
    widget.add_class(f"vs-{name}")
    return widget


def note(text: str, tone: str = "note") -> str:
    """Return a text of several lines as escaped HTML."""
    lines = "<br>".join(html.cell(line, 600) for line in text.splitlines())
    return html.box(f'<div class="{tone}" role="status" style="padding-left:.6em">{lines}</div>') if lines else ""


def text_field(label: str, name: str, placeholder: str) -> tuple[ipywidgets.Text, ipywidgets.Label, ipywidgets.VBox]:
    """Return a text field, the line for its error, and the box that contains both."""
    field = ipywidgets.Text(
        description=label, placeholder=placeholder, continuous_update=True, layout=ipywidgets.Layout(width="34em")
    )
    field.style.description_width = "8em"
    field.add_class(f"vs-{name}")
    error_line = text_line(f"{name}-error")
    error_line.layout.margin = "0 0 0 8.5em"  # below the typed text
    return field, error_line, ipywidgets.VBox([field, error_line])
