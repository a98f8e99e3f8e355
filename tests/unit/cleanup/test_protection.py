import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cleanup_examples import make_id, make_snapshot

from versori_magics.cleanup.protection import NO_PROTECTION, Protection, Rule, read_protection, recorded_protection
from versori_magics.errors import ArgumentError


def write_protection(folder: Path, text: str) -> Path:
    path = folder / "protect.txt"
    path.write_text(text, encoding="utf-8")
    return path


def read_rules(folder: Path, text: str) -> list[tuple[str, str]]:
    return [(rule.target, rule.pattern) for rule in read_protection(write_protection(folder, text)).rules]


def test_protection_file_names_ids_names_and_systems(tmp_path: Path) -> None:
    text = f"{make_id(1)}\n\n  name: *production*  \nsystem: NetSuite\nNAME:x\n"
    assert read_rules(tmp_path, text) == [
        ("id", make_id(1)),
        ("name", "*production*"),
        ("system", "NetSuite"),
        ("name", "x"),
    ]


def test_case_of_an_id_does_not_matter(tmp_path: Path) -> None:
    assert read_rules(tmp_path, make_id(1).lower()) == [("id", make_id(1))]


@pytest.mark.parametrize(
    ("line", "rules"),
    [
        ("# name: a", []),
        ("   # name: a", []),
        ("#name: a", []),
        ("name: Shop #12", [("name", "Shop #12")]),
        ("name: # 1 Shop", [("name", "# 1 Shop")]),
        ("name: a#b", [("name", "a#b")]),
        ("name: a: b", [("name", "a: b")]),
    ],
)
def test_comment_is_a_line_of_its_own(tmp_path: Path, line: str, rules: list[tuple[str, str]]) -> None:
    assert read_rules(tmp_path, line) == rules


@pytest.mark.parametrize(
    "line", ["production", "name:", ": x", "names: x", "01ARZ3NDEKTSV4RRFFQ69G5FA", "id: 1", "*", f"{make_id(1)} # why"]
)
def test_invalid_line_is_rejected_with_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(ArgumentError, match="Line 3 of ") as caught:
        read_protection(write_protection(tmp_path, f"name: a\n\n{line}\n"))
    assert "Nothing is deleted" in caught.value.hint


def test_unreadable_protection_file_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"name: caf\xe9")
    for path in (tmp_path / "missing", tmp_path, tmp_path / "latin"):
        with pytest.raises(ArgumentError, match="cannot be read"):
            read_protection(path)


def test_empty_protection_file_protects_nothing(tmp_path: Path) -> None:
    path = write_protection(tmp_path, "\n# nothing yet\n")
    assert read_protection(str(path)) == Protection((), str(path))


@pytest.mark.parametrize(
    ("rule", "facts", "is_protected"),
    [
        (Rule("id", make_id(1)), {}, True),
        (Rule("id", make_id(2)), {}, False),
        (Rule("name", "connection 1"), {}, True),
        (Rule("name", "CONNECTION ?"), {}, True),
        (Rule("name", "connection"), {}, False),
        (Rule("name", "*"), {}, True),
        (Rule("name", "*prod*"), {"name": "The PRODuction one"}, True),
        (Rule("name", "straße"), {"name": "STRASSE"}, True),
        (Rule("name", "[PROD] Shop"), {"name": "[prod] shop"}, True),
        (Rule("name", "[PROD]*"), {"name": "p"}, False),
        (Rule("name", "a\nb"), {"name": "a\nb"}, True),
        (Rule("name", "x"), {"name": None}, True),
        (Rule("name", "x"), {"name": ""}, True),
        (Rule("system", "shop"), {"system": "Shop"}, True),
        (Rule("system", "shop"), {"system": "Shopping"}, False),
        (Rule("system", "shop*"), {"system": "Shopping"}, True),
        (Rule("system", make_id(900)), {"system": "Shop"}, True),
        (Rule("system", make_id(900).lower()), {"system": ""}, True),
        (Rule("system", make_id(901)), {"system": ""}, False),
        # The name of its system is not known, so it may be the system of the rule.
        (Rule("system", "NetSuite"), {"system": ""}, True),
        (Rule("system", make_id(901)), {"system": "", "system_id": None}, True),
    ],
)
def test_rule_protects_what_it_names_and_what_lacks_the_property(
    rule: Rule, facts: dict[str, Any], is_protected: bool
) -> None:
    snapshot = make_snapshot(1, **facts)
    assert rule.protects(snapshot.connection, snapshot.system) is is_protected


def test_reason_names_the_first_rule_that_protects() -> None:
    protection = Protection((Rule("name", "x"), Rule("system", "shop"), Rule("id", make_id(1))))
    assert protection.reason(make_snapshot(1)) == "protected by 'system: shop'"
    assert NO_PROTECTION.reason(make_snapshot(1)) == ""


@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_name_without_wildcards_protects_exactly_itself(name: str) -> None:
    pattern = unicodedata.normalize("NFKC", name)
    if not set(pattern) & set("*?"):
        rule = Rule("name", name)
        assert rule.protects(make_snapshot(1, name=name).connection, "")
        assert not rule.protects(make_snapshot(1, name=name + "x").connection, "")


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("Café", "Cafe\u0301"),
        ("Cafe\u0301", "CAFÉ"),
        ("Shop \uff11", "shop 1"),
        ("\ufb01nance", "FINANCE"),
        ("Straße", "STRASSE"),
    ],
)
def test_a_rule_protects_a_name_that_is_written_with_other_codes(pattern: str, name: str) -> None:
    assert Rule("name", pattern).matches(make_snapshot(1, name=name).connection, "")


# Rules that match nothing.

ORGANISATION = [
    (make_snapshot(number, **facts).connection, system)
    for number, facts, system in (
        (1, {"name": "Shop #12"}, "Shopify"),
        (2, {"name": "Orders"}, "NetSuite"),
        (3, {"name": None, "system_id": None}, ""),
    )
]


def test_rules_that_match_nothing_in_the_organisation_are_named() -> None:
    rules = (
        Rule("name", "Shop #12"),
        Rule("name", "Shop #1"),
        Rule("system", "shopify"),
        Rule("system", "Shopfy"),
        Rule("id", make_id(2)),
        Rule("id", make_id(9)),
    )
    assert Protection(rules).unmatched_rules(ORGANISATION) == ["name: Shop #1", "system: Shopfy", make_id(9)]


def test_a_rule_that_seems_to_end_in_a_comment_and_matches_nothing_is_rejected() -> None:
    Protection((Rule("name", "Shop #12"),)).check_comments(lambda: ORGANISATION)
    with pytest.raises(ArgumentError, match=r"'name: Shop #1' matches no connection") as caught:
        Protection((Rule("name", "Shop #12"), Rule("name", "Shop #1"))).check_comments(lambda: ORGANISATION)
    assert "line of its own" in caught.value.hint


def test_connections_are_listed_only_for_rules_that_seem_to_end_in_a_comment() -> None:
    Protection((Rule("name", "Shop"), Rule("system", "x"))).check_comments(pytest.fail)


def test_a_rule_about_a_system_whose_name_is_unknown_may_match() -> None:
    connections = [(make_snapshot(1).connection, "")]
    assert Protection((Rule("system", "Shopfy"),)).unmatched_rules(connections) == []


# The rules of a plan.


def test_the_rules_of_a_plan_are_read_again_from_their_texts() -> None:
    rules = (Rule("id", make_id(1)), Rule("name", "old"), Rule("system", "Shop: x"))
    assert recorded_protection([str(rule) for rule in rules]) == Protection(rules)
    both = Protection((Rule("name", "new"), *rules[:1]), "/new") | Protection(rules, "/old")
    assert both == Protection((Rule("name", "new"), *rules), "/new")
