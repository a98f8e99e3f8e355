"""Reading: connect, and see the connections and the runs."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from faults.hostile import SECRET, HostilePlatform, error, html, world

import versori_magics as versori
from versori_magics.errors import (
    ApiError,
    ArgumentError,
    IncompleteError,
    NotFoundError,
    PlatformError,
    SelectionError,
    SettingsError,
    UnauthorisedError,
)

ONE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def ids(frame: Any) -> set[str]:
    return set(frame["id"])


# connect.


def test_connect_sends_nothing_and_tells_where_each_setting_comes_from(platform: HostilePlatform) -> None:
    shown = versori.connect(org=ONE)
    assert shown.pairs["server"] == f"{platform.url} (environment)"
    assert shown.pairs["organisation"] == f"{ONE} (argument)"
    assert shown.pairs["token"] == "***, sent as bearer (environment)"
    assert shown.pairs["expires"] == "it does not say"
    assert platform.token not in repr(shown) + shown._repr_mimebundle_()["text/html"]
    assert platform.requests == []


def test_connect_tells_when_a_jwt_expires_and_how_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    claims = {"iss": "https://versori.com/sk/01", "exp": 1893456000}
    parts = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=").decode() for p in ({"alg": "RS256"}, claims)]
    monkeypatch.setenv("VERSORI_TOKEN", ".".join([*parts, "c2ln"]))
    shown = versori.connect(org=ONE)
    assert shown.pairs["token"] == "***, sent as jwt (environment)"
    assert shown.pairs["expires"] == "2030-01-01 00:00+00:00"
    assert parts[1] not in repr(shown)


def test_connect_takes_a_context_of_the_cli_whole(
    platform: HostilePlatform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    entry = {"name": "a", "organisation_id": platform.organisation, "jwt": "b0gus", "url_overwrite": platform.url}
    (tmp_path / "config.yaml").write_text(json.dumps({"active_context": "", "contexts": {"acme": entry}}))
    monkeypatch.setenv("VERSORI_ORGANISATION", ONE)
    shown = versori.connect("acme")
    assert shown.pairs["organisation"] == f"{platform.organisation} (context acme)"
    with pytest.raises(UnauthorisedError):
        versori.connections(".")
    with pytest.raises(SettingsError, match="Did you mean 'acme'"):
        versori.connect("acne")


def test_without_an_organisation_connect_says_to_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERSORI_TOKEN", "t")
    assert versori.connect().pairs["organisation"] == "none: name it"


@pytest.mark.parametrize("name", ["context", "server", "org", "auth"])
@pytest.mark.parametrize("value", [5, True, b"x", ["x"]])
def test_connect_takes_texts_only(name: str, value: object) -> None:
    with pytest.raises(ArgumentError, match="a text is needed"):
        versori.connect(**{name: value})  # type: ignore[arg-type]


# connections.


def test_all_connections_are_listed_whatever_the_page_size(platform: HostilePlatform) -> None:
    for cap in (1, 4, 1000):
        platform.reset(world(free=9, static=2, page_cap=cap))
        frame = versori.connections(".")
        assert ids(frame) == set(platform.world.connections)
        assert "in_use" not in frame
        assert frame.attrs["versori"]["completeness"] == "complete"
        assert frame.attrs["versori"]["server"] == platform.url


def test_with_usage_each_row_tells_who_uses_it(platform: HostilePlatform) -> None:
    frame = versori.connections(".", usage=True).set_index("id")
    for id_ in platform.world.free:
        assert frame.loc[id_, ["kind", "in_use", "used_by", "running"]].tolist() == ["unused", False, "", 0]
    assert frame.loc[platform.world.static, "kind"].tolist() == ["static", "static"]
    assert frame.loc[platform.world.static, "used_by"].tolist() == [
        "Orders / production (running)",
        "Orders / staging (suspended)",
    ]
    assert frame.loc[platform.world.static, "running"].tolist() == [1, 0]
    assert frame.loc[platform.world.dynamic, "kind"].tolist() == ["dynamic", "dynamic"]
    assert "end user Customer 0 (customer-0)" in frame.loc[platform.world.dynamic[0], "used_by"]
    assert SECRET not in frame.to_csv()


def test_each_filter_gives_the_rows_that_it_names(platform: HostilePlatform) -> None:
    shop = {c.id for c in platform.world.connections.values() if platform.world.systems[c.system_id].name == "Shop"}
    assert ids(versori.connections(".", system="shop")) == shop
    assert ids(versori.connections(".", end_user="customer-1")) == {platform.world.dynamic[1]}
    production = {platform.world.static[0], platform.world.dynamic[0]}
    assert ids(versori.connections(".", project="Orders", environment="production")) == production
    assert ids(versori.connections(".", project="Orders")) == {*platform.world.static, *platform.world.dynamic}
    assert ids(versori.connections(".", environment="staging")) == {
        platform.world.static[1],
        platform.world.dynamic[1],
    }
    assert ids(versori.connections(".", project="Orders", system="Shop")) == shop & {
        *platform.world.static,
        *platform.world.dynamic,
    }
    assert list(versori.connections(".", project="Invoices")["id"]) == []


@pytest.mark.parametrize("name", ["system", "end_user", "project", "environment"])
@pytest.mark.parametrize("value", ["", " ", 5, 0, False, ["Shop"]])
def test_a_filter_that_names_nothing_is_an_error_and_not_the_whole_list(
    platform: HostilePlatform, name: str, value: object
) -> None:
    with pytest.raises(ArgumentError, match=name):
        versori.connections(".", **{name: value})  # type: ignore[arg-type]
    assert platform.requests == []


def test_an_organisation_without_connections_is_an_empty_frame_of_the_same_columns(platform: HostilePlatform) -> None:
    full = versori.connections(".", usage=True)
    platform.reset(world())
    frame = versori.connections(".", usage=True)
    assert frame.empty
    assert (frame.dtypes == full.dtypes).all()


def test_a_page_that_fails_is_an_error_that_names_the_page(platform: HostilePlatform) -> None:
    platform.reset(world(free=9, page_cap=4))
    platform.on("GET", "/connections.*after=", error(400, "400001", "bad cursor"))
    with pytest.raises(ApiError, match=r"Page 2 of the list of connections failed\. bad cursor"):
        versori.connections(".")


def test_usage_that_cannot_be_learned_is_unknown_and_counts_as_in_use(platform: HostilePlatform) -> None:
    platform.on("GET", "/activations$", error(403, message="not yours"), times=1)
    frame = versori.connections(".", usage=True).set_index("id")
    assert frame["in_use"].all()
    assert set(frame.loc[platform.world.free, "kind"]) == {"unknown"}
    assert "not yours" in frame.attrs["versori"]["usage_problems"][0]


def test_what_is_not_wholly_known_cannot_be_filtered_by(platform: HostilePlatform) -> None:
    platform.on("GET", "/activations$", error(403, message="not yours"), times=1)
    with pytest.raises(IncompleteError, match="cannot be filtered by"):
        versori.connections(".", project="Orders")


def test_without_the_systems_names_the_list_is_whole_and_warns_but_no_filter_by_system_is_guessed(
    platform: HostilePlatform,
) -> None:
    platform.on("GET", "/systems", error(403, message="not yours"), times=2)
    with pytest.warns(UserWarning, match="The systems' names are missing"):
        frame = versori.connections(".")
    assert ids(frame) == set(platform.world.connections)
    assert frame["system"].isna().all()
    with pytest.raises(IncompleteError, match="none can be filtered by"):
        versori.connections(".", system="Shop")


def test_a_dead_token_is_one_error_and_no_warning_beside_it(platform: HostilePlatform) -> None:
    platform.dead_token_after(0)
    with pytest.raises(UnauthorisedError, match="the token has expired"):
        versori.connections(".", usage=True)


# connection.


def test_one_connection_is_shown_with_its_usage(platform: HostilePlatform) -> None:
    static = platform.world.static[0]
    shown = versori.connection(".", static.lower())
    assert (shown.id, shown.kind, shown.in_use, shown.running) == (static, "static", True, 1)
    assert shown.name == platform.world.connections[static].name
    assert shown.system in {"Shop", "Ledger", "Warehouse"}
    assert SECRET not in repr(shown) + shown._repr_mimebundle_()["text/html"]
    assert not versori.connection(".", platform.world.free[0]).in_use


def test_a_connection_that_is_not_there_is_a_documented_404(platform: HostilePlatform) -> None:
    with pytest.raises(NotFoundError) as caught:
        versori.connection(".", ONE)
    assert caught.value.documented
    platform.on("GET", f"/connections/{ONE}", html(404))
    with pytest.raises(NotFoundError) as caught:
        versori.connection(".", ONE)
    assert not caught.value.documented


@pytest.mark.parametrize("id_", ["", "x", "../../projects/x", f"{ONE} --yes", [ONE], None, 3.0, float("nan"), b"x"])
def test_what_is_not_one_id_is_refused_before_any_request(platform: HostilePlatform, id_: Any) -> None:
    with pytest.raises(SelectionError):
        versori.connection(".", id_)
    assert platform.requests == []


# runs.


def test_without_any_run_the_list_is_empty_and_makes_no_folder(tmp_path: Path) -> None:
    frame = versori.runs()
    assert frame.empty
    assert list(frame)[:6] == ["run", "started", "state", "server", "organisation", "planned"]
    assert not (tmp_path / "runs").exists()


def test_runs_are_listed_the_newest_first_with_their_counts(platform: HostilePlatform) -> None:
    first = versori.delete(".", platform.world.free[0], yes=True)
    second = versori.delete(".", [*platform.world.free[1:3], *platform.world.static], yes=True)
    frame = versori.runs()
    assert list(frame["run"]) == [second.run, first.run]
    assert list(frame["state"]) == ["finished", "finished"]
    assert list(frame["planned"]) == [4, 1]
    assert list(frame["deleted"]) == [2, 1]
    assert list(frame["in_use"]) == [2, 0]
    assert set(frame["server"]) == {platform.url}
    assert Path(frame["journal"][0]).is_file()
    assert frame["started"].notna().all()


def test_a_run_that_was_cut_off_is_interrupted_at_any_byte(platform: HostilePlatform) -> None:
    report = versori.delete(".", platform.world.free, yes=True)
    path = Path(report.journal)
    whole = path.read_bytes()
    seen = set()
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        (row,) = versori.runs().to_dict("records")
        assert row["run"] == report.run
        seen.add(row["state"])
    assert seen == {"interrupted"}
    path.write_bytes(whole)
    assert versori.runs()["state"].tolist() == ["finished"]


def test_a_file_that_is_no_journal_of_ours_is_listed_as_unreadable_and_hides_no_run(
    platform: HostilePlatform, tmp_path: Path
) -> None:
    report = versori.delete(".", platform.world.free[0], yes=True)
    header = json.loads(Path(report.journal).read_text().splitlines()[0])
    (tmp_path / "runs" / "01ZZZZZZZZZZZZZZZZZZZZZZZZ.jsonl").write_text(json.dumps({**header, "format": 99}))
    frame = versori.runs()
    assert dict(zip(frame["run"], frame["state"], strict=True)) == {
        "01ZZZZZZZZZZZZZZZZZZZZZZZZ": "unreadable",
        report.run: "finished",
    }


def test_a_journal_is_for_its_owner_only_and_holds_no_secret(platform: HostilePlatform) -> None:
    report = versori.delete(".", platform.world.free, yes=True)
    assert Path(report.journal).stat().st_mode & 0o777 == 0o600
    text = Path(report.journal).read_text()
    assert platform.token not in text
    assert SECRET not in text


def test_a_journal_that_may_not_be_read_is_listed_as_unreadable(platform: HostilePlatform) -> None:
    report = versori.delete(".", platform.world.free[0], yes=True)
    Path(report.journal).unlink()
    Path(report.journal).mkdir()  # unreadable also for root
    assert versori.runs()["state"].tolist() == ["unreadable"]


def test_every_failure_of_the_platform_is_one_of_our_errors(platform: HostilePlatform) -> None:
    for fault in (html(200), error(418), html(404), error(401)):
        platform.on("GET", "/connections$", fault)
        with pytest.raises(PlatformError) as caught:
            versori.connections(".")
        assert len(caught.value.lines()) <= 3
