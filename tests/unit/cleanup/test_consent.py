import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cleanup_examples import make_id, make_plan, make_row, make_usage, plan_of

from versori_magics.cleanup.consent import (
    Consent,
    consent_in_advance,
    describe_agreement,
    required_words,
    typed_consent,
)
from versori_magics.cleanup.plan import Plan, Verdict
from versori_magics.errors import ConsentError


def plan_with(*, delete: int = 0, in_use: int = 0, kept: int = 0) -> Plan:
    """Return a plan with so many rows to delete, of which `in_use` are in use, and so many rows that it keeps."""
    deleted = (
        make_row(number, usage=make_usage("static" if number < in_use else "unused")) for number in range(delete)
    )
    return make_plan(
        *deleted, *(make_row(100 + number, Verdict.IN_USE, usage=make_usage("static")) for number in range(kept))
    )


@pytest.mark.parametrize(
    ("plan", "typed"),
    [
        (plan_with(delete=1), "y"),
        (plan_with(delete=1), "Y"),
        (plan_with(delete=1, kept=5), " y "),
        (plan_with(delete=2), "delete 2"),
        (plan_with(delete=2), "  Delete   2 "),
        (plan_with(delete=12, kept=3), "delete 12"),
        (plan_with(delete=1, in_use=1), "delete 1 break 1"),
        (plan_with(delete=5, in_use=2), "delete 5 break 2"),
        (plan_with(delete=16, in_use=1), "delete 16 break 1"),
    ],
)
def test_required_words_give_consent(plan: Plan, typed: str) -> None:
    assert typed_consent(plan, typed) == Consent(plan.id, plan.digest, in_advance=False)
    assert typed_consent(plan, required_words(plan)) == Consent(plan.id, plan.digest, in_advance=False)


@pytest.mark.parametrize(
    ("plan", "typed"),
    [
        *((plan_with(delete=1), typed) for typed in ("", "n", "no", "yy", "y y", "delete 1", "1", "да", "\uff59")),
        *((plan_with(delete=2), typed) for typed in ("", "y", "yes", "delete", "delete 3", "2", "delete \uff12")),
        *((plan_with(delete=12, kept=3), typed) for typed in ("delete 15", "delete 3", "delete 1 2", "delete1 2")),
        *(
            (plan_with(delete=5, in_use=2), typed)
            for typed in (
                "",
                "y",
                "delete 5",
                "break 5",
                "break 2",
                "break",
                "delete 5 break 1",
                "delete 4 break 2",
                "delete 3 break 2",
            )
        ),
        *(
            (plan_with(delete=1, in_use=1), typed)
            for typed in ("y", "yes", "delete 1", "break", "break 1", "delete 1 break 0")
        ),
        *((plan_with(kept=2), typed) for typed in ("", "y", "yes", "delete 0", "break 0")),
    ],
)
def test_other_words_give_no_consent(plan: Plan, typed: str) -> None:
    assert typed_consent(plan, typed) is None


@given(st.text(max_size=30))
def test_only_the_required_words_give_consent(typed: str) -> None:
    words = " ".join(typed.split()).lower()
    if words != "delete 3":
        assert typed_consent(plan_of(3), typed) is None
    if words not in {"y", "yes"}:
        assert typed_consent(plan_of(1), typed) is None


def test_consent_is_valid_for_its_own_plan() -> None:
    plan = plan_of(2)
    consent = typed_consent(plan, "delete 2")
    assert consent is not None
    consent.check(plan)
    consent_in_advance(plan).check(plan)
    assert (consent.in_advance, consent_in_advance(plan).in_advance) == (False, True)


@pytest.mark.parametrize(
    "other",
    [
        plan_of(3),
        plan_of(1),
        make_plan(make_row(1), make_row(0)),
        make_plan(make_row(0), make_row(1, usage=make_usage("static"))),
        make_plan(*plan_of(2).rows, breaking=(make_id(1),)),
        make_plan(*plan_of(2).rows, protection=("name: x",)),
        plan_of(2, make_id(8)),
        msgspec.structs.replace(plan_of(2), server="https://other"),
        msgspec.structs.replace(plan_of(2), organisation=make_id(9)),
    ],
    ids=[
        *("more rows", "fewer rows", "another order", "other users", "breaking", "protection"),
        *("the same rows later", "server", "organisation"),
    ],
)
def test_consent_is_not_valid_for_another_plan(other: Plan) -> None:
    with pytest.raises(ConsentError, match="The consent is for another plan, so nothing was sent"):
        consent_in_advance(plan_of(2)).check(other)


def test_agreement_is_described_with_its_way_and_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(2)
    monkeypatch.setattr("getpass.getuser", lambda: "anna\x1b")
    assert describe_agreement(typed_consent(plan, "delete 2")) == "typed by anna\\x1b"
    assert describe_agreement(consent_in_advance(plan)) == "in advance by anna\\x1b"
    assert describe_agreement(None) == ""

    def getuser() -> str:
        raise OSError("No username set in the environment")

    monkeypatch.setattr("getpass.getuser", getuser)
    assert describe_agreement(consent_in_advance(plan)) == "in advance by an unknown user"
