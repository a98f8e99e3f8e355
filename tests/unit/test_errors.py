import inspect
import traceback
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from versori_magics import errors
from versori_magics.errors import (
    ApiError,
    ArgumentError,
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

CLASSES = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, Exception)]


def drawn() -> dict[str, str | None]:
    """Read the tree of the docstring: class -> the class it hangs from."""
    tree: dict[str, str | None] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        name = next((word for word in line.split() if word.endswith("Error") and word.isalpha()), None)
        if name is None or line.startswith("Every"):
            continue
        depth = line.index(name)
        while above and above[-1][0] >= depth:
            above.pop()
        tree[name] = above[-1][1] if above else None
        above.append((depth, name))
    return tree


def made(kind: type[VersoriError], message: str = "it happened", **options: Any) -> VersoriError:
    if issubclass(kind, ApiError):
        options = {"status": 500, **options}
    return kind(message, **options)


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    assert drawn() == {one.__name__: None if one is VersoriError else one.__base__.__name__ for one in CLASSES}
    assert len(CLASSES) >= 16


def test_every_status_in_the_tree_is_the_status_of_its_class() -> None:
    text = errors.__doc__ or ""
    for name, status in (("UnauthorisedError", 401), ("ForbiddenError", 403), ("NotFoundError", 404)):
        assert any(name in line and line.split()[-1] == str(status) for line in text.splitlines())


def test_every_class_has_a_sentence_of_its_own() -> None:
    sentences = [(one.__doc__ or "").splitlines()[0] for one in CLASSES]
    assert all(sentence.endswith(".") for sentence in sentences)
    assert len(set(sentences)) == len(sentences)


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_shows_its_message_and_its_advice_in_three_lines_at_most(kind: type[VersoriError]) -> None:
    bare = made(kind)
    assert bare.lines()[0] == "it happened"
    assert str(bare) == "\n".join(bare.lines())
    full = made(kind, hint="do\nthis")
    assert full.lines()[0] == "it happened"
    assert full.lines()[-1] == "do this"
    assert 2 <= len(full.lines()) <= 3
    assert full._render_traceback_() == [f"{kind.__name__}: it happened", *full.lines()[1:]]


FULL = ApiError(
    "the connection\nis in use",
    status=409,
    code="409001",
    fields=[("a.b[0].c", "is odd"), ("d", "is missing")],
    details="used by Customer 1",
    method="DELETE",
    path="/o/x/connections/y",
    attempts=3,
    hint="look",
)


def test_an_answers_particulars_are_status_code_fields_details_request_and_attempts() -> None:
    assert FULL.lines() == [
        "the connection is in use",
        (
            "HTTP 409 · code 409001 · a.b[0].c: is odd · d: is missing · used by Customer 1"
            " · DELETE /o/x/connections/y · sent 3 times"
        ),
        "look",
    ]
    assert ApiError("no", status=500).lines() == ["no", "HTTP 500"]


@pytest.mark.parametrize(("attempts", "said"), [(1, "GET /o/x · sent once"), (4, "GET /o/x · sent 4 times")])
def test_a_request_without_an_answer_says_what_was_sent_and_how_often(attempts: int, said: str) -> None:
    assert TransportError("no answer", method="GET", path="/o/x", attempts=attempts).lines() == ["no answer", said]
    assert TransportError("no answer", attempts=attempts).lines() == ["no answer"]


def test_without_an_answer_it_counts_as_sent_unless_it_is_known_better() -> None:
    assert TransportError("no answer").sent


@pytest.mark.parametrize("status", [401, 403, 429])
def test_three_statuses_come_with_advice(status: int) -> None:
    assert ApiError("no", status=status, documented=True).hint
    assert ApiError("no", status=status).hint
    assert ApiError("no", status=status, hint="mine").hint == "mine"


def test_a_404_of_somebody_else_is_not_taken_for_a_proof() -> None:
    assert "gone" in NotFoundError("no", status=404, documented=True).hint
    assert "proves nothing" in NotFoundError("no", status=404).hint
    assert ApiError("no", status=500, documented=True).hint == ""


def test_the_classes_of_a_kind_can_be_caught_together() -> None:
    for kind in (UnauthorisedError, ForbiddenError, NotFoundError):
        assert issubclass(kind, ApiError)
    for kind in (ApiError, TransportError, IncompleteError):
        assert issubclass(kind, PlatformError)
    assert issubclass(SelectionError, ArgumentError)
    assert issubclass(UnfinishedError, RunStoppedError)


def test_a_stopped_run_carries_its_report() -> None:
    report = object()
    assert RunStoppedError("stopped", report=report).report is report
    assert RunStoppedError("stopped").report is None


def nasty() -> Iterator[VersoriError]:
    text = "\x1b[2J" + "x" * 50_000 + "\u202e\n"
    for kind in CLASSES:
        yield made(kind, text, hint=text)
    yield ApiError(text, status=500, code=text, fields=[(text, text)] * 50, details=text, method=text, path=text)
    yield TransportError(text, hint=text, method=text, path=text)


def test_no_text_however_long_or_nasty_makes_more_than_three_short_safe_lines() -> None:
    for error in nasty():
        for lines in (error.lines(), error._render_traceback_(), str(error).splitlines()):
            assert len(lines) <= 3
            assert all(line.isprintable() and len(line) < 3_000 for line in lines)


def test_an_error_without_a_message_can_be_shown() -> None:
    assert VersoriError("").lines() == []
    assert VersoriError("")._render_traceback_() == ["VersoriError: "]
    assert str(VersoriError("")) == ""


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_holds_strings_and_numbers_and_no_request(kind: type[VersoriError]) -> None:
    error = made(kind)
    plain = str | int | float | bool | tuple | None
    assert all(isinstance(value, plain) for value in vars(error).values())
    assert not any(isinstance(value, httpx.Request | httpx.Response | Exception) for value in vars(error).values())
    assert "<" not in repr(error) + str(error)
    assert repr(error) == f"{kind.__name__}('it happened')"


# The debug switch


def raised() -> VersoriError:
    def deep_inside() -> None:
        raise VersoriError("it happened", hint="do this")

    try:
        deep_inside()
    except VersoriError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize("switch", ["1", "yes", "true"])
def test_the_debug_switch_gives_the_whole_traceback(monkeypatch: pytest.MonkeyPatch, switch: str) -> None:
    monkeypatch.setenv("VERSORI_DEBUG", switch)
    lines = raised()._render_traceback_()
    assert lines[0] == "Traceback (most recent call last):"
    assert "deep_inside" in "".join(lines)
    assert "\n".join(lines) == "".join(traceback.format_exception(raised())).rstrip("\n")
    assert not any("\n" in line for line in lines)


@pytest.mark.parametrize("switch", [None, "", "0"])
def test_without_the_debug_switch_there_is_no_frame(monkeypatch: pytest.MonkeyPatch, switch: str | None) -> None:
    if switch is None:
        monkeypatch.delenv("VERSORI_DEBUG", raising=False)
    else:
        monkeypatch.setenv("VERSORI_DEBUG", switch)
    assert raised()._render_traceback_() == ["VersoriError: it happened", "do this"]
