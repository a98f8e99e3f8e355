from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.deletion.making import make_id, make_seen

from versori_magics.deletion.protect import Protection, Rule, read_protection
from versori_magics.errors import ArgumentError


def protection(folder: Path, text: str) -> Protection:
    path = folder / "protect.txt"
    path.write_text(text, encoding="utf-8")
    return read_protection(path)


def rules(folder: Path, text: str) -> list[tuple[str, str]]:
    return [(rule.kind, rule.pattern) for rule in protection(folder, text).rules]


def test_a_file_names_ids_names_and_systems(tmp_path: Path) -> None:
    text = f"{make_id(1)}\n\n  name: *production*  \nsystem: NetSuite\nNAME:x\n"
    assert rules(tmp_path, text) == [
        ("id", make_id(1)),
        ("name", "*production*"),
        ("system", "NetSuite"),
        ("name", "x"),
    ]


def test_an_id_is_the_same_in_lower_case(tmp_path: Path) -> None:
    assert rules(tmp_path, make_id(1).lower()) == [("id", make_id(1))]


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("# name: a", []),
        ("   # name: a", []),
        ("#name: a", []),
        ("name: a # why", [("name", "a")]),
        ("name: a\t# why", [("name", "a")]),
        ("name: a#b", [("name", "a#b")]),
        ("name: a#b # why", [("name", "a#b")]),
        ("name: a: b", [("name", "a: b")]),
        (f"{make_id(1)}  # the shop's # own", [("id", make_id(1))]),
    ],
)
def test_a_comment_begins_at_the_start_or_after_a_blank(tmp_path: Path, line: str, kept: list[tuple[str, str]]) -> None:
    assert rules(tmp_path, line) == kept


@pytest.mark.parametrize(
    "line", ["production", "name:", "name: # nothing", ": x", "names: x", "01ARZ3NDEKTSV4RRFFQ69G5FA", "id: 1", "*"]
)
def test_a_line_that_makes_no_sense_is_an_error_that_names_it(tmp_path: Path, line: str) -> None:
    with pytest.raises(ArgumentError, match="Line 3 of ") as caught:
        protection(tmp_path, f"name: a\n\n{line}\n")
    assert "nothing is deleted" in caught.value.hint


def test_a_file_that_cannot_be_read_does_not_pass_for_no_protection(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"name: caf\xe9")
    for path in (tmp_path / "missing", tmp_path, tmp_path / "latin"):
        with pytest.raises(ArgumentError, match="cannot be read"):
            read_protection(path)
    assert read_protection(str(tmp_path / "protect.txt") if protection(tmp_path, "") else "").rules == ()


@pytest.mark.parametrize(
    ("rule", "facts", "covered"),
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
        # Its name is not known: it may be the one that is meant.
        (Rule("system", "NetSuite"), {"system": ""}, True),
        (Rule("system", make_id(901)), {"system": "", "system_id": None}, True),
    ],
)
def test_a_rule_covers_what_it_names_and_what_cannot_be_told(rule: Rule, facts: dict[str, Any], covered: bool) -> None:
    assert rule.covers(make_id(1), make_seen(1, **facts)) is covered


def test_the_reason_names_the_first_rule_that_covers() -> None:
    found = Protection((Rule("name", "x"), Rule("system", "shop"), Rule("id", make_id(1))))
    assert found.reason(make_id(1), make_seen(1)) == "protected by 'system: shop'"
    assert Protection().reason(make_id(1), make_seen(1)) == ""


@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_name_without_wildcards_protects_exactly_itself(name: str) -> None:
    if not set(name) & set("*?"):
        assert Rule("name", name).covers(make_id(1), make_seen(1, name=name))
        assert not Rule("name", name).covers(make_id(1), make_seen(1, name=name + "x"))
