import copy
import inspect
import pickle
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from versori_magics import errors
from versori_magics.catch import catch
from versori_magics.errors import (
    ApiError,
    ArgumentError,
    FieldError,
    ForbiddenError,
    IncompleteError,
    NotFoundError,
    PlatformError,
    RunStoppedError,
    SelectionError,
    TransportError,
    UnauthorisedError,
    UnfinishedError,
    VersoriError,
)
from versori_magics.next_step import Action, NextStep

CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, Exception)]


@dataclass
class ExampleReport:
    run: str = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    counts: dict[str, int] = field(default_factory=dict)
    summary: str = "nothing"


def documented_tree() -> dict[str, str | None]:
    """Read the tree in the module's docstring: class -> its base class."""
    tree: dict[str, str | None] = {}
    ancestors: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        name = next((word for word in line.split() if word.endswith("Error") and word.isalpha()), None)
        if name is None or line.startswith("Every"):
            continue
        depth = line.index(name)
        while ancestors and ancestors[-1][0] >= depth:
            ancestors.pop()
        tree[name] = ancestors[-1][1] if ancestors else None
        ancestors.append((depth, name))
    return tree


def make_error(cls: type[VersoriError], message: str = "it happened", **options: Any) -> VersoriError:
    if issubclass(cls, ApiError):
        options = {"status": 500, **options}
    if issubclass(cls, RunStoppedError):
        options = {"report": ExampleReport(), **options}
    return cls(message, **options)


# Classes


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    assert documented_tree() == {
        cls.__name__: None if cls is VersoriError else cls.__base__.__name__ for cls in CLASSES
    }
    assert len(CLASSES) >= 16


def test_every_status_in_the_tree_is_the_status_of_its_class() -> None:
    text = errors.__doc__ or ""
    for name, status in (("UnauthorisedError", 401), ("ForbiddenError", 403), ("NotFoundError", 404)):
        assert any(name in line and line.split()[-1] == str(status) for line in text.splitlines())


def test_every_class_is_described_by_a_different_sentence() -> None:
    sentences = [(cls.__doc__ or "").splitlines()[0] for cls in CLASSES]
    assert all(sentence.endswith(".") for sentence in sentences)
    assert len(set(sentences)) == len(sentences)


def test_related_errors_can_be_caught_by_their_base_class() -> None:
    for cls in (UnauthorisedError, ForbiddenError, NotFoundError):
        assert issubclass(cls, ApiError)
    for cls in (ApiError, TransportError, IncompleteError):
        assert issubclass(cls, PlatformError)
    assert issubclass(SelectionError, ArgumentError)
    assert issubclass(UnfinishedError, RunStoppedError)


# Messages


@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_shows_its_message_and_hint_in_three_lines_at_most(cls: type[VersoriError]) -> None:
    bare = make_error(cls)
    assert bare.lines()[0] == "it happened"
    assert str(bare) == "\n".join(bare.lines())
    full = make_error(cls, hint="do\nthis")
    assert full.lines()[0] == "it happened"
    assert full.lines()[-1] == "do this"
    assert 2 <= len(full.lines()) <= 3
    assert full._render_traceback_() == [f"{cls.__name__}: it happened", *full.lines()[1:]]


def test_an_api_error_shows_status_code_fields_details_request_and_attempts() -> None:
    error = ApiError(
        "the connection\nis in use",
        status=409,
        code="409001",
        fields=[FieldError("a.b[0].c", "is odd"), FieldError("d", "is missing")],
        details="used by Customer 1",
        method="DELETE",
        path="/o/x/connections/y",
        attempts=3,
        hint="look",
    )
    assert error.lines() == [
        "the connection is in use",
        (
            "HTTP 409 · code 409001 · a.b[0].c: is odd · d: is missing · used by Customer 1"
            " · DELETE /o/x/connections/y · sent 3 times"
        ),
        "look",
    ]
    assert ApiError("no", status=500).lines() == ["no", "HTTP 500"]


@pytest.mark.parametrize(("attempts", "particulars"), [(1, "GET /o/x · sent once"), (4, "GET /o/x · sent 4 times")])
def test_a_transport_error_shows_the_request_and_how_often_it_was_sent(attempts: int, particulars: str) -> None:
    error = TransportError("no answer", method="GET", path="/o/x", attempts=attempts)
    assert error.lines() == ["no answer", particulars]
    assert TransportError("no answer", attempts=attempts).lines() == ["no answer"]


def test_a_request_without_a_response_counts_as_sent_by_default() -> None:
    assert TransportError("no answer").sent


def test_a_stopped_run_carries_its_report() -> None:
    report = ExampleReport()
    assert RunStoppedError("stopped", report=report).report is report


def test_an_error_without_a_message_can_be_shown() -> None:
    assert VersoriError("").lines() == []
    assert VersoriError("")._render_traceback_() == ["VersoriError: "]
    assert str(VersoriError("")) == ""


def errors_with_long_and_unsafe_text() -> Iterator[VersoriError]:
    text = "\x1b[2J" + "x" * 50_000 + "\u202e\n"
    for cls in CLASSES:
        yield make_error(cls, text, hint=text)
    fields = [FieldError(text, text)] * 50
    yield ApiError(text, status=500, code=text, fields=fields, details=text, method=text, path=text)
    yield TransportError(text, hint=text, method=text, path=text)


def test_long_or_unsafe_text_is_shown_in_at_most_three_short_printable_lines() -> None:
    for error in errors_with_long_and_unsafe_text():
        for lines in (error.lines(), error._render_traceback_(), str(error).splitlines()):
            assert len(lines) <= 3
            assert all(line.isprintable() and len(line) < 3_000 for line in lines)


@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_holds_text_and_numbers_and_no_request(cls: type[VersoriError]) -> None:
    error = make_error(cls)
    values = [value for name, value in vars(error).items() if name != "report"]
    assert all(isinstance(value, str | int | float | bool | tuple | None) for value in values)
    assert not any(isinstance(value, httpx.Request | httpx.Response | Exception) for value in vars(error).values())
    assert "<" not in repr(error) + str(error)
    assert repr(error) == f"{cls.__name__}('it happened')"


# What to do next


@pytest.mark.parametrize("status", [401, 403, 429])
def test_a_status_that_people_can_act_on_has_a_hint(status: int) -> None:
    assert ApiError("no", status=status, documented=True).hint
    assert ApiError("no", status=status).hint
    assert ApiError("no", status=status, hint="mine").hint == "mine"


def test_an_undocumented_404_is_not_called_a_deletion() -> None:
    assert "deleted" in NotFoundError("no", status=404, documented=True).hint
    assert "may still exist" in NotFoundError("no", status=404).hint
    assert ApiError("no", status=500, documented=True).hint == ""


@pytest.mark.parametrize(
    ("status", "action"),
    [
        (401, Action.RECONNECT),
        (404, Action.FIND_CONNECTIONS),
        (429, Action.USE_FEWER_WORKERS),
        (403, None),
        (500, None),
    ],
)
def test_an_api_error_names_the_next_step_as_data(status: int, action: Action | None) -> None:
    expected = None if action is None else NextStep(action)
    assert ApiError("no", status=status, documented=True).next_step == expected
    assert ApiError("no", status=status, documented=True, hint="mine").next_step is None


def test_an_undocumented_404_has_no_next_step() -> None:
    assert NotFoundError("no", status=404).next_step is None
    assert UnauthorisedError("no", status=401).next_step == NextStep(Action.RECONNECT)


def test_an_error_carries_the_next_step_that_it_was_given() -> None:
    step = NextStep(Action.RAISE_LIMIT, "250")
    assert VersoriError("too many rows", next_step=step).next_step == ("raise_limit", "250")
    assert RunStoppedError("stopped", report=ExampleReport(), next_step=step).next_step is step
    assert VersoriError("it happened").next_step is None


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
@pytest.mark.parametrize("documented", [True, False])
def test_hints_are_free_of_the_syntax_of_magics_and_the_command_line(status: int, documented: bool) -> None:
    hint = ApiError("no", status=status, documented=documented).hint
    assert "%versori" not in hint
    assert "--" not in hint


@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_survives_copying_and_pickling_with_everything_it_carries(cls: type[VersoriError]) -> None:
    error = make_error(cls, "it happened", hint="do this")
    for clone in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(clone) is cls
        assert clone.lines() == error.lines()
        assert vars(clone) == vars(error)


# Tracebacks


def raised_error() -> VersoriError:
    def deep_inside() -> None:
        raise VersoriError("it happened", hint="do this")

    error = catch(deep_inside, VersoriError)
    assert isinstance(error, VersoriError)
    return error


@pytest.mark.parametrize("value", ["1", "yes", "true"])
def test_versori_debug_shows_the_whole_traceback(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("VERSORI_DEBUG", value)
    lines = raised_error()._render_traceback_()
    assert lines[0] == "Traceback (most recent call last):"
    assert "deep_inside" in "".join(lines)
    assert "\n".join(lines) == "".join(traceback.format_exception(raised_error())).rstrip("\n")
    assert not any("\n" in line for line in lines)


@pytest.mark.parametrize("value", [None, "", "0"])
def test_without_versori_debug_no_frames_are_shown(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is None:
        monkeypatch.delenv("VERSORI_DEBUG", raising=False)
    else:
        monkeypatch.setenv("VERSORI_DEBUG", value)
    assert raised_error()._render_traceback_() == ["VersoriError: it happened", "do this"]
