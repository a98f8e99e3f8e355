"""Asking a person: the question, and the answers that count as consent."""

import io
import sys
import traceback
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cleanup_examples import make_usage, make_use

from versori_magics.cleanup.consent import Consent, typed_consent
from versori_magics.cleanup.plan import PlanRow, Verdict
from versori_magics.errors import ConsentError, SettingsError
from versori_magics.notebook.display.results import DeletionPlan
from versori_magics.notebook.prompts import ask_for_consent, ask_for_token
from versori_magics.presentation.wording import consent_request, deletion_sentence

ORGANISATION = "01BX5ZZKBKACTAV9WEVGEMMVRZ"
TWO_USES = make_usage("static", [make_use(1), make_use(2)])
ENVIRONMENTS = "2 running environments: Orders / environment 1, Orders / environment 2"
TypeText = Callable[[str], io.StringIO]


def make_plan(delete: int = 0, *, breaking: int = 0, kept: int = 0, name: str = "One") -> DeletionPlan:
    """Return a plan that deletes some rows, `breaking` of them in use, and keeps others."""
    rows = [
        PlanRow(f"01{n:024}", Verdict.DELETE, name, "Shop", usage=TWO_USES if n < breaking else make_usage("unused"))
        for n in range(delete)
    ]
    rows += [PlanRow(f"02{n:024}", Verdict.IN_USE, usage=TWO_USES) for n in range(kept)]
    return DeletionPlan("01ARZ3NDEKTSV4RRFFQ69G5FAV", "https://server", ORGANISATION, "", tuple(rows))


def ask(plan: DeletionPlan) -> Consent:
    """Ask for consent; nobody asks for the list of rows."""
    return ask_for_consent(plan, pytest.fail)


# Consent.


@pytest.mark.parametrize(
    ("plan", "typed"),
    [
        (make_plan(1), "y"),
        (make_plan(1), "Y"),
        (make_plan(1, kept=5), " y "),
        (make_plan(2), "delete 2"),
        (make_plan(2), "  Delete   2 "),
        (make_plan(12, kept=3), "delete 12"),
        (make_plan(1, breaking=1), "delete 1 break 1"),
        (make_plan(5, breaking=2), "delete 5 break 2"),
    ],
)
def test_the_required_words_are_a_consent_to_exactly_this_plan(
    type_at_terminal: TypeText, plan: DeletionPlan, typed: str
) -> None:
    type_at_terminal(typed + "\n")
    consent = ask(plan)
    assert consent == Consent(plan.id, plan.digest, in_advance=False)
    consent.check(plan)
    with pytest.raises(ConsentError, match="The consent is for another plan"):
        consent.check(make_plan(7))


@pytest.mark.parametrize(
    ("plan", "typed"),
    [
        *(
            (make_plan(1), typed)
            for typed in ("", "n", "no", "yes", "yy", "y y", "delete", "delete 1", "1", "ye", "да", "\uff59")
        ),
        *(
            (make_plan(2), typed)
            for typed in ("", "y", "yes", "delete", "delete 1", "delete 3", "2", "delete 2.", "delete \uff12")
        ),
        *((make_plan(12, kept=3), typed) for typed in ("delete 15", "delete 3", "delete 1 2", "delete1 2")),
        *((make_plan(5, breaking=2), typed) for typed in ("", "y", "delete 5", "break 5", "break", "delete 3 break 2")),
        *((make_plan(1, breaking=1), typed) for typed in ("y", "yes", "break", "break 0")),
        *((make_plan(0, kept=2), typed) for typed in ("y", "delete 0", "", "yes", "break 0")),
    ],
)
def test_any_other_answer_is_not_a_consent(type_at_terminal: TypeText, plan: DeletionPlan, typed: str) -> None:
    type_at_terminal(typed + "\n")
    with pytest.raises(ConsentError, match="so nothing was sent"):
        ask(plan)


@given(st.text(max_size=30))
def test_only_the_required_words_give_consent(typed: str) -> None:
    words = " ".join(typed.split()).lower()
    if words != "delete 3":
        assert typed_consent(make_plan(3), typed) is None
    if words != "y":
        assert typed_consent(make_plan(1), typed) is None


def test_nobody_is_asked_twice(type_at_terminal: TypeText) -> None:
    stdin = type_at_terminal("delete 1\ndelete 2\n")
    with pytest.raises(ConsentError):
        ask(make_plan(2))
    assert stdin.read() == "delete 2\n"


def test_the_answer_list_shows_every_row_and_asks_again(type_at_terminal: TypeText) -> None:
    shown: list[str] = []
    stdin = type_at_terminal("list\n LIST \ndelete 2\nmore\n")
    plan = make_plan(2)
    assert ask_for_consent(plan, lambda: shown.append("rows")) == typed_consent(plan, "delete 2")
    assert shown == ["rows", "rows"]
    assert stdin.read() == "more\n"
    type_at_terminal("list\nno\n")
    with pytest.raises(ConsentError, match="no was typed"):
        ask_for_consent(plan, lambda: None)


# The question.


def test_the_question_names_the_rows_the_server_and_the_words_to_type(
    type_at_terminal: TypeText, capsys: pytest.CaptureFixture[str]
) -> None:
    type_at_terminal("y\n")
    ask(make_plan(1))
    assert capsys.readouterr().out == (
        "Delete 'One' (Shop, 01000000000000000000000000): nobody uses it.\n"
        f"server https://server, organisation {ORGANISATION}\nDelete it? y/N: "
    )
    type_at_terminal("delete 5 break 2\n")
    ask(make_plan(5, breaking=2, kept=4))
    assert capsys.readouterr().out == (
        f"Delete 5 of 9 selected connections, 2 of them in use (breaks {ENVIRONMENTS}).\n"
        f"server https://server, organisation {ORGANISATION}\n"
        "Type delete 5 break 2 to continue, list to see every row, anything else to stop: "
    )


def test_the_question_about_one_connection_in_use_names_its_users() -> None:
    assert deletion_sentence(make_plan(1, breaking=1)).endswith(f"This breaks {ENVIRONMENTS}.")
    assert consent_request(make_plan(1, breaking=1)).startswith("Type delete 1 break 1 to continue, ")


def test_a_name_from_the_server_cannot_control_the_terminal_at_the_prompt() -> None:
    question = deletion_sentence(make_plan(1, name="a\x1b[2J\u202e\r\n" + "b" * 500))
    assert question.isprintable()
    assert len(question) < 300


# Nobody to ask.


def test_without_anybody_to_ask_the_error_says_how_to_run_unattended(
    type_at_terminal: TypeText, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_at_terminal("")  # the input ends at once
    with pytest.raises(ConsentError) as caught:
        ask(make_plan(3))
    assert str(caught.value) == (
        "Cannot ask for confirmation here, so nothing was sent (3 to delete).\n"
        "For an unattended run, review the plan (--dry-run), then add --yes."
    )
    assert caught.value.__context__ is None
    closed = io.StringIO()
    closed.close()
    for stdin in (None, closed):
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(ConsentError, match="Cannot ask for confirmation") as caught:
            ask(make_plan(3))
        assert caught.value.__context__ is None


def test_the_stop_button_at_the_prompt_is_not_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_question: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ask(make_plan(3))


def test_a_wrong_answer_is_shown_safely_and_cut(type_at_terminal: TypeText) -> None:
    type_at_terminal("\x1b[31m" + "x" * 300 + "\n")
    with pytest.raises(ConsentError) as caught:
        ask(make_plan(2))
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 200
    assert str(caught.value).endswith("Try again and type: delete 2")


# The token.


@pytest.mark.parametrize("stdin", [io.StringIO("t0ken\n"), None])
def test_a_token_is_never_asked_for_if_it_would_be_shown_while_typed(
    monkeypatch: pytest.MonkeyPatch, stdin: io.StringIO | None
) -> None:
    monkeypatch.setitem(sys.modules, "ipykernel", sys)  # it is imported, but this is not a kernel
    monkeypatch.setattr("sys.stdin", stdin)
    with pytest.raises(SettingsError) as caught:
        ask_for_token("https://server")
    assert str(caught.value) == (
        "There is no token for https://server, and this environment cannot ask for one.\nSet VERSORI_TOKEN."
    )
    assert stdin is None or stdin.read() == "t0ken\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_token_typed_at_a_terminal_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda _prompt: " t0ken ")
    token = ask_for_token("https://server")
    assert str(token) == "***"
    assert token.reveal() == "t0ken"


def test_a_token_prompt_without_an_answer_is_an_error_without_a_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    def end_of_input(_prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", end_of_input)
    with pytest.raises(SettingsError, match="this environment cannot ask") as caught:
        ask_for_token("https://server")
    assert caught.value.__context__ is None


def test_no_variable_in_the_traceback_of_an_invalid_token_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda _prompt: "t0ken with\nblanks")
    with pytest.raises(SettingsError) as caught:
        ask_for_token("https://server")
    assert "t0ken" not in str(caught.value)
    frames = [frame for frame, _ in traceback.walk_tb(caught.tb) if "versori_magics" in frame.f_code.co_filename]
    assert [frame.f_code.co_name for frame in frames] == ["ask_for_token", "parse_token"]
    assert "t0ken" not in repr([frame.f_locals for frame in frames])
