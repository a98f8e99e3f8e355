"""sandbox: a local platform for this kernel, one at a time, that is connected to when it starts."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

import versori_magics as versori
from versori_magics.emulator import Emulator, EmulatorUnavailableError
from versori_magics.errors import ArgumentError, SandboxError, SettingsError, TransportError
from versori_magics.notebook.commands import sandbox
from versori_magics.notebook.form.form import Form


@pytest.fixture(autouse=True)
def _stopped() -> Iterator[None]:
    """Stop the sandbox after each test."""
    yield
    if sandbox._running:
        versori.sandbox("stop")


def wait_until_idle(form: Form) -> None:
    end = time.monotonic() + 20
    while form._jobs.is_busy or form._status.value:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_sandbox_is_connected_when_it_starts_and_can_be_cleaned_up() -> None:
    summary = versori.sandbox(connections=40)
    assert summary.title == "Connected to the sandbox"
    assert summary.pairs["connections"] == "40, all made up"
    assert str(summary.pairs["server"]).startswith("http://127.0.0.1:")
    frame = versori.connections(".", usage=True)
    assert len(frame) == 40
    assert frame["in_use"].any()
    assert not frame["in_use"].all()
    report = versori.delete(".", frame, yes=True)
    assert report.counts["deleted"] == (~frame["in_use"]).sum()
    assert report.counts["in_use"] == frame["in_use"].sum()


def test_reset_restores_what_was_deleted_and_counts_it() -> None:
    versori.sandbox(connections=40)
    before = versori.connections(".", usage=True)
    unused = before[~before["in_use"]]
    versori.delete(".", unused, yes=True)
    assert versori.sandbox("reset").pairs["restored"] == len(unused)
    assert set(versori.connections(".")["id"]) == set(before["id"])
    assert versori.sandbox("reset").pairs["restored"] == 0


def test_the_same_seed_gives_the_same_organisation() -> None:
    organisations = []
    for seed in (1, 1, 2):
        versori.sandbox(connections=20, seed=seed)
        organisations.append(set(versori.connections(".")["id"]))
    assert organisations[0] == organisations[1]
    assert organisations[0].isdisjoint(organisations[2])


def test_a_second_start_connects_to_a_fresh_sandbox_and_keeps_the_first_for_those_who_use_it() -> None:
    versori.sandbox(connections=5)
    form = versori.form(".")
    second_url = versori.sandbox(connections=6).pairs["server"]
    assert len(versori.connections(".")) == 6
    wait_until_idle(form)
    form.refresh()
    wait_until_idle(form)
    assert form.frame is not None
    assert len(form.frame) == 5
    assert form._error.value == ""
    assert versori.sandbox("stop").pairs["server"] == second_url
    assert sandbox._running == []


def test_stop_forgets_the_connection_to_the_sandbox() -> None:
    url = versori.sandbox(connections=5).pairs["server"]
    assert versori.sandbox("stop").pairs["server"] == url
    with pytest.raises(SettingsError, match="Not connected to an organisation"):
        versori.connections(".")
    with pytest.raises(SettingsError, match="There is no token"):
        versori.connections("01ARZ3NDEKTSV4RRFFQ69G5FAV")
    for action in ("stop", "reset"):
        with pytest.raises(SandboxError, match="No sandbox is running in this kernel"):
            versori.sandbox(action)  # type: ignore[arg-type]


def test_a_sandbox_that_was_stopped_elsewhere_is_a_network_error() -> None:
    versori.sandbox(connections=5)
    sandbox._running[0].stop()
    with pytest.raises(TransportError, match="No connection to the platform"):
        versori.connection(".", "01ARZ3NDEKTSV4RRFFQ69G5FAV")


@pytest.mark.parametrize("problem", [EmulatorUnavailableError("starlette is missing"), OSError("no free port")])
def test_a_sandbox_that_cannot_start_is_an_error_that_says_why(
    monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    def fail(_emulator: Emulator) -> None:
        raise problem

    monkeypatch.setattr(Emulator, "start", fail)
    with pytest.raises(SandboxError, match=str(problem)) as caught:
        versori.sandbox(connections=5)
    assert caught.value.__context__ is None
    assert sandbox._running == []


@pytest.mark.parametrize("action", ["", "begin", "START", None, 5])
def test_an_unknown_action_is_rejected(action: Any) -> None:
    with pytest.raises(ArgumentError, match="The sandbox takes start, stop or reset"):
        versori.sandbox(action)
    assert sandbox._running == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"connections": 0}, "connections must be a whole number from 1 to 100000"),
        ({"connections": 100_001}, "connections must be a whole number"),
        ({"connections": "5"}, "connections must be a whole number"),
        ({"connections": 5.0}, "connections must be a whole number"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"seed": None}, "seed must be a whole number"),
    ],
)
def test_an_invalid_number_starts_nothing(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        versori.sandbox(**options)
    assert sandbox._running == []
