"""Usage in words and numbers, and what is known of a connection after look-ups that failed."""

from collections.abc import Sequence
from typing import Any

import pytest

from versori_magics.inventory.usage import ConnectionUsage, OrganisationUsage, UsageScope, Use


def use(kind: Any = "static", number: int = 1, status: str = "running", user: str = "", user_id: str = "") -> Use:
    return Use(kind, "Orders", "p", f"stage {number}", f"e{number}", status, user, user_id)


# Uses in words


def test_a_use_names_project_environment_status_and_end_user() -> None:
    assert str(use()) == "Orders / stage 1 (running)"
    assert str(use("dynamic", user="Customer 0 (customer-0)")) == (
        "end user Customer 0 (customer-0) in Orders / stage 1 (running)"
    )


def test_three_uses_are_named_and_the_others_are_counted() -> None:
    uses = [use(number=n) for n in range(5)]
    assert ConnectionUsage("static", tuple(uses[:1])).used_by == str(uses[0])
    assert ConnectionUsage("static", tuple(uses[:3])).used_by == "; ".join(map(str, uses[:3]))
    assert ConnectionUsage("static", tuple(uses)).used_by == "; ".join(map(str, uses[:3])) + "; and 2 more"


@pytest.mark.parametrize(
    ("uses", "running"),
    [
        ([], 0),
        ([use()], 1),
        ([use(), use()], 1),
        ([use(number=1), use(number=2)], 2),
        ([use(status="suspended"), use(number=2, status="draft"), use(number=3, status="error")], 0),
        ([use(status="a-new-one")], 0),
        ([use("dynamic")], 0),
        ([use("dynamic"), use(number=2)], 1),
    ],
)
def test_running_counts_the_environments_that_deleting_would_break(uses: Sequence[Use], running: int) -> None:
    assert ConnectionUsage("static", tuple(uses)).running == running


@pytest.mark.parametrize(
    ("kind", "in_use"), [("static", True), ("dynamic", True), ("unknown", True), ("unused", False)]
)
def test_unknown_counts_as_in_use(kind: Any, in_use: bool) -> None:
    assert ConnectionUsage(kind).in_use is in_use


def test_a_connection_without_uses_is_unused_only_if_every_look_up_succeeded() -> None:
    assert OrganisationUsage().of("x") == ConnectionUsage("unused")
    assert OrganisationUsage().of("x").used_by == ""
    unknown = OrganisationUsage(problems=("the projects: no answer",)).of("x")
    assert unknown.kind == "unknown"
    assert unknown.used_by == "usage unknown: 1 look-up failed or is incomplete (the projects: no answer)"


def test_after_a_failed_look_up_the_usage_is_unknown_even_beside_known_uses() -> None:
    uses = [use(number=n) for n in range(5)]
    usage = OrganisationUsage({"x": uses}, ("the projects: no answer", "another")).of("x")
    assert (usage.kind, usage.in_use, usage.is_fully_known) == ("unknown", True, False)
    assert usage.uses == tuple(uses)
    assert usage.running == 5
    assert usage.used_by == (
        "at least 5 uses, and 2 look-ups failed or are incomplete (the first: the projects: no answer)."
        f" Known: {uses[0]}; {uses[1]}; {uses[2]}; and 2 more"
    )


@pytest.mark.parametrize(
    ("kind", "is_known"), [("static", True), ("dynamic", True), ("unused", True), ("unknown", False)]
)
def test_usage_says_whether_it_is_fully_known(kind: Any, is_known: bool) -> None:
    assert ConnectionUsage(kind).is_fully_known is is_known


def test_two_end_users_of_the_same_name_are_two_uses() -> None:
    assert use("dynamic", user="Ann", user_id="1") != use("dynamic", user="Ann", user_id="2")


def test_the_scope_is_told_in_words() -> None:
    assert str(UsageScope(1, 2, 0)) == "1 project, 2 environments and 0 activations"
    assert str(UsageScope(1200, 1, 1)) == "1,200 projects, 1 environment and 1 activation"
