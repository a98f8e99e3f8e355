"""The form without a page: its handlers are called as a click calls them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from faults import hostile as h
from faults.hostile import HostilePlatform, world

import versori_magics as versori

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from versori_magics.notebook.form import Form

OTHER = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostilePlatform]:
    with HostilePlatform(strict=False) as made:
        made.reset(world(free=3))
        for name, value in made.env().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("VERSORI_JOURNAL", str(tmp_path / "runs"))
        yield made


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def idle(form: Form) -> None:
    until(lambda: not form._jobs._lock.locked() and not form._status.value)


def test_the_rest_of_a_run_is_asked_of_its_own_organisation_whatever_was_looked_at_since(
    platform: HostilePlatform,
) -> None:
    free = platform.world.free[:]
    platform.on("DELETE", free[0], h.error(403, message="not you"))
    form = versori.form(".")
    idle(form)
    form.selection = free
    form._preview_many()
    idle(form)
    assert form.plan is not None
    form._agree(form.plan)
    idle(form)
    assert form.report is not None
    assert form.report.counts["refused"] == 1
    form._preview_one(OTHER, free[1])
    idle(form)
    form._retry()
    idle(form)
    assert [row.id for row in form.plan.rows] == [free[0]]
    form._agree(form.plan)
    idle(form)
    assert form.report.counts["deleted"] == 3
    assert platform.deleted == set(free)
