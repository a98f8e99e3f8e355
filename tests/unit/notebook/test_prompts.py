"""Asking a person: what is asked, and what counts as an answer."""

import io
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from versori_magics.deletion.plan import PlanRow, Verdict
from versori_magics.errors import ConsentError, SettingsError
from versori_magics.notebook.prompts import ask_token, confirm, what_goes, what_to_type
from versori_magics.notebook.shown import DeletionPlan

ORGANISATION = "01BX5ZZKBKACTAV9WEVGEMMVRZ"
Types = Callable[[str], io.StringIO]


def plan(delete: int = 0, *, breaks: int = 0, kept: int = 0, name: str = "One") -> DeletionPlan:
    rows = [
        PlanRow(f"01{n:024}", Verdict.DELETE, name, "Shop", in_use=n < breaks, used_by="Orders", running=2)
        for n in range(delete)
    ]
    rows += [PlanRow(f"02{n:024}", Verdict.IN_USE, in_use=True) for n in range(kept)]
    return DeletionPlan("01ARZ3NDEKTSV4RRFFQ69G5FAV", "https://server", ORGANISATION, "", tuple(rows))


@pytest.mark.parametrize(
    ("made", "typed"),
    [
        (plan(1), "y"),
        (plan(1), "Y"),
        (plan(1), "yes"),
        (plan(1, kept=5), " y "),
        (plan(2), "delete 2"),
        (plan(2), "  Delete   2 "),
        (plan(12, kept=3), "delete 12"),
        (plan(1, breaks=1), "break 1"),
        (plan(5, breaks=2), "break 2"),
    ],
)
def test_the_one_right_answer_consents(types: Types, made: DeletionPlan, typed: str) -> None:
    types(typed + "\n")
    confirm(made)


@pytest.mark.parametrize(
    ("made", "typed"),
    [
        *((plan(1), typed) for typed in ("", "n", "no", "yy", "y y", "delete", "delete 1", "1", "ye", "да", "\uff59")),
        *(
            (plan(2), typed)
            for typed in ("", "y", "yes", "delete", "delete 1", "delete 3", "2", "delete 2.", "delete \uff12")
        ),
        *((plan(12, kept=3), typed) for typed in ("delete 15", "delete 3", "delete 1 2", "delete1 2")),
        *((plan(5, breaks=2), typed) for typed in ("", "y", "delete 5", "break 5", "break", "delete 5 break 2")),
        *((plan(1, breaks=1), typed) for typed in ("y", "yes", "break", "break 0")),
        *((plan(0, kept=2), typed) for typed in ("y", "delete 0", "", "yes", "break 0")),
    ],
)
def test_anything_else_does_not(types: Types, made: DeletionPlan, typed: str) -> None:
    types(typed + "\n")
    with pytest.raises(ConsentError, match="so nothing was sent"):
        confirm(made)


@given(st.text(max_size=30))
def test_no_text_that_is_not_the_answer_consents(typed: str) -> None:
    if " ".join(typed.split()).lower() != "delete 3":
        assert not plan(3).is_consent(typed)
    if " ".join(typed.split()).lower() not in {"y", "yes"}:
        assert not plan(1).is_consent(typed)


def test_the_prompt_names_what_goes_where_and_what_to_type(types: Types, capsys: pytest.CaptureFixture[str]) -> None:
    types("y\n")
    confirm(plan(1))
    assert capsys.readouterr().out == (
        "Delete 'One' (Shop, 01000000000000000000000000): nobody uses it.\n"
        f"server https://server, organisation {ORGANISATION}\nDelete it? y/N: "
    )
    types("break 2\n")
    confirm(plan(5, breaks=2, kept=4))
    assert capsys.readouterr().out == (
        "Delete 5 of 9 selected connections, 2 of them in use (breaks 4 running environments).\n"
        f"server https://server, organisation {ORGANISATION}\nType break 2 to go on, anything else to stop: "
    )


def test_one_that_is_in_use_is_asked_for_with_its_users() -> None:
    assert what_goes(plan(1, breaks=1)).endswith(": Orders.")
    assert what_to_type(plan(1, breaks=1)) == "Type break 1 to go on, anything else to stop"


def test_nothing_of_a_server_steers_the_terminal_at_the_prompt() -> None:
    asked = what_goes(plan(1, name="a\x1b[2J\u202e\r\n" + "b" * 500))
    assert asked.isprintable()
    assert len(asked) < 300


def test_where_nobody_can_be_asked_it_is_an_error_that_says_how(types: Types, monkeypatch: pytest.MonkeyPatch) -> None:
    types("")  # the end of the input, at once
    with pytest.raises(ConsentError) as caught:
        confirm(plan(3))
    assert str(caught.value) == (
        "Nobody can be asked to confirm here, so nothing was sent (3 to delete).\n"
        "Running unattended? Look at the plan (--dry-run), then add --yes."
    )
    closed = io.StringIO()
    closed.close()
    for stdin in (None, closed):
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(ConsentError, match="Nobody can be asked"):
            confirm(plan(3))


def test_what_was_typed_is_shown_safely_and_cut(types: Types) -> None:
    types("\x1b[31m" + "x" * 300 + "\n")
    with pytest.raises(ConsentError) as caught:
        confirm(plan(2))
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 200
    assert str(caught.value).endswith("Repeat it and type delete 2.")


@pytest.mark.parametrize("stdin", [io.StringIO("t0ken\n"), None])
def test_a_token_is_never_asked_for_where_it_would_be_seen(
    monkeypatch: pytest.MonkeyPatch, stdin: io.StringIO | None
) -> None:
    monkeypatch.setitem(sys.modules, "ipykernel", sys)  # imported by something, and yet this is no kernel
    monkeypatch.setattr("sys.stdin", stdin)
    with pytest.raises(SettingsError) as caught:
        ask_token("https://server")
    assert str(caught.value) == (
        "There is no token for https://server, and nobody can be asked for one here.\nSet VERSORI_TOKEN."
    )
    assert stdin is None or stdin.read() == "t0ken\n"
