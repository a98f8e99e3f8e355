"""The sandbox of this kernel: one at a time, and connected to."""

from collections.abc import Iterator
from typing import Any

import pytest

import versori_magics as versori
from versori_magics.errors import ArgumentError, SandboxError, SettingsError, TransportError
from versori_magics.notebook import yard
from versori_magics.notebook.session import CURRENT


@pytest.fixture(autouse=True)
def _stopped() -> Iterator[None]:
    yield
    if yard._running:
        versori.sandbox("stop")


def test_once_started_it_is_connected_to_and_everything_works_on_it() -> None:
    shown = versori.sandbox(connections=40)
    assert shown.title == "The sandbox is running and connected"
    assert shown.pairs["connections"] == "40, all made up"
    assert str(shown.pairs["server"]).startswith("http://127.0.0.1:")
    frame = versori.connections(".", usage=True)
    assert len(frame) == 40
    assert frame["in_use"].any()
    assert not frame["in_use"].all()
    report = versori.delete(".", frame, yes=True)
    assert report.counts["deleted"] == (~frame["in_use"]).sum()
    assert report.counts["in_use"] == frame["in_use"].sum()


def test_reset_brings_back_what_was_deleted_and_says_how_many() -> None:
    versori.sandbox(connections=40)
    before = versori.connections(".", usage=True)
    free = before[~before["in_use"]]
    versori.delete(".", free, yes=True)
    assert versori.sandbox("reset").pairs["brought back"] == len(free)
    assert set(versori.connections(".")["id"]) == set(before["id"])
    assert versori.sandbox("reset").pairs["brought back"] == 0


def test_the_seed_decides_what_is_in_it() -> None:
    found = []
    for seed in (1, 1, 2):
        versori.sandbox(connections=20, seed=seed)
        found.append(set(versori.connections(".")["id"]))
    assert found[0] == found[1]
    assert found[0].isdisjoint(found[2])


def test_a_second_start_takes_the_place_of_the_first() -> None:
    versori.sandbox(connections=5)
    first = yard._running[0]
    second = versori.sandbox(connections=6).pairs["server"]
    assert not first.running
    assert len(yard._running) == 1
    assert len(versori.connections(".")) == 6
    assert yard._running[0].url == second


def test_stop_forgets_the_connection_to_it() -> None:
    url = versori.sandbox(connections=5).pairs["server"]
    assert versori.sandbox("stop").pairs["server"] == url
    with pytest.raises(SettingsError):
        versori.connections(".")
    assert CURRENT.settings().token is None
    for action in ("stop", "reset"):
        with pytest.raises(SandboxError, match="No sandbox is running in this kernel"):
            versori.sandbox(action)


def test_a_sandbox_that_has_gone_is_an_error_of_the_network() -> None:
    versori.sandbox(connections=5)
    yard._running[0].stop()
    with pytest.raises(TransportError, match="No connection to the platform"):
        versori.connection(".", "01ARZ3NDEKTSV4RRFFQ69G5FAV")


@pytest.mark.parametrize("action", ["", "begin", "START", None, 5])
def test_an_action_that_is_not_known_is_refused(action: Any) -> None:
    with pytest.raises(ArgumentError, match="The sandbox can start, stop and reset"):
        versori.sandbox(action)
    assert yard._running == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"connections": 0}, "connections takes a whole number from 1 to 100000"),
        ({"connections": 100_001}, "connections takes a whole number"),
        ({"connections": "5"}, "connections takes a whole number"),
        ({"connections": 5.0}, "connections takes a whole number"),
        ({"seed": -1}, "seed takes a whole number from 0 up"),
        ({"seed": None}, "seed takes a whole number"),
    ],
)
def test_a_number_that_makes_no_sense_starts_nothing(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        versori.sandbox(**options)
    assert yard._running == []
