import json

import msgspec
import pytest
from support.cleanup_examples import ORGANISATION, RUN, SERVER, make_id, make_plan, make_row, make_usage

from versori_magics.cleanup.plan import Verdict
from versori_magics.cleanup.records import (
    OUTCOME_OF_VERDICT,
    Outcome,
    Record,
    RowOutcome,
    RowPlanned,
    RowSent,
    RunClosed,
    RunHeader,
    RunResumed,
    find_header,
    outcomes_in_words,
    recorded_plan,
)
from versori_magics.errors import FieldError

KEY = make_id(1)
# Journals outlive the version that wrote them, so these names must not change.
FORMAT = [
    (
        RunHeader(
            2,
            RUN,
            "0.1",
            SERVER,
            ORGANISATION,
            "d" * 64,
            "2026-01-01",
            (KEY,),
            (KEY,),
            ("name: *live*",),
            "/protect.txt",
            True,
            "typed by anna",
        ),
        {
            "record": "header",
            "format": 2,
            "run": RUN,
            "version": "0.1",
            "server": SERVER,
            "organisation": ORGANISATION,
            "digest": "d" * 64,
            "started": "2026-01-01",
            "ids": [KEY],
            "breaking": [KEY],
            "protection": ["name: *live*"],
            "protection_file": "/protect.txt",
            "no_projects": True,
            "agreed": "typed by anna",
        },
    ),
    (
        RowPlanned(make_row(1, Verdict.IN_USE, system="Shop", reason="Orders", usage=make_usage("static"))),
        {
            "record": "planned",
            "row": {
                "id": KEY,
                "verdict": "in_use",
                "name": "connection 1",
                "system": "Shop",
                "reason": "Orders",
                "usage": {
                    "kind": "static",
                    "uses": [
                        {
                            "kind": "static",
                            "project": "Orders",
                            "project_id": "P",
                            "environment": "environment 1",
                            "environment_id": "E1",
                            "status": "running",
                            "end_user": "",
                            "end_user_id": "",
                        }
                    ],
                    "problem": "",
                },
                "updated_at": "",
            },
        },
    ),
    (RowSent(KEY, 2, "then"), {"record": "sent", "id": KEY, "attempt": 2, "time": "then"}),
    (
        RowOutcome(KEY, Outcome.REFUSED, 422, "7", "no", (FieldError("a", "is odd"),), "why", 3, 1.5),
        {
            "record": "outcome",
            "id": KEY,
            "outcome": "refused",
            "status": 422,
            "code": "7",
            "message": "no",
            "fields": [["a", "is odd"]],
            "details": "why",
            "attempts": 3,
            "seconds": 1.5,
        },
    ),
    (
        RunResumed("then", "0.1", "in advance by anna"),
        {"record": "resumed", "time": "then", "version": "0.1", "agreed": "in advance by anna"},
    ),
    (RunClosed("then", "the token died"), {"record": "end", "time": "then", "stopped": "the token died"}),
]


@pytest.mark.parametrize(("record", "line"), FORMAT, ids=lambda value: type(value).__name__)
def test_record_keeps_its_file_format(record: Record, line: dict[str, object]) -> None:
    assert json.loads(msgspec.json.encode(record)) == line
    assert msgspec.json.decode(json.dumps(line), type=Record) == record


def test_recorded_plan_is_the_plan_that_was_made() -> None:
    rows = [make_row(1), make_row(2, Verdict.IN_USE, reason="Orders"), make_row(3)]
    plan = make_plan(*rows, breaking=(make_id(1),), protection=("name: *live*",))
    header = RunHeader(
        2,
        RUN,
        "0",
        SERVER,
        ORGANISATION,
        plan.digest,
        "then",
        tuple(row.id for row in rows),
        plan.breaking,
        plan.protection,
    )
    planned = [RowPlanned(row) for row in rows]
    recorded = recorded_plan([header, *planned, RowPlanned(make_row(9)), RunClosed("then")])
    assert recorded is not None
    assert (recorded.id, recorded.rows, recorded.digest) == (plan.id, plan.rows, plan.digest)
    assert recorded_plan([header, *planned[1:]]) is None
    assert recorded_plan(planned) is None
    assert (find_header([*planned, header]), find_header(planned)) == (header, None)


def test_outcomes_and_verdicts_keep_their_names() -> None:
    assert [outcome.value for outcome in Outcome] == [
        *("deleted", "already_gone", "in_use", "protected", "changed"),
        *("refused", "failed", "unknown", "not_attempted"),
    ]
    assert [verdict.value for verdict in Verdict] == ["delete", "in_use", "protected", "not_found"]


def test_every_verdict_but_delete_is_an_outcome() -> None:
    assert set(OUTCOME_OF_VERDICT) == set(Verdict) - {Verdict.DELETE}


def test_counts_of_outcomes_are_written_in_words() -> None:
    assert outcomes_in_words({"in_use": 2, "deleted": 1_300, "refused": 0}) == "1,300 deleted, 2 kept (in use)"
    assert outcomes_in_words({}) == "nothing"
    for outcome in Outcome:
        words = outcomes_in_words({outcome: 1})
        assert words.startswith("1 ")
        assert "_" not in words
