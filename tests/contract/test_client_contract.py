"""The client's requests, and the responses that it understands, match the description of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

import versori_magics as versori
from versori_magics.api.client import Client
from versori_magics.emulator import Behaviour, Emulator
from versori_magics.errors import ApiError, NotFoundError
from versori_magics.inventory.snapshot import take_snapshots
from versori_magics.inventory.usage_reader import read_usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.openapi_contract import Contract


class CheckingTransport(httpx.HTTPTransport):
    """A real transport that checks every request and response against the description."""

    def __init__(self, contract: Contract) -> None:
        super().__init__(verify=False)
        self.contract = contract

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        raw = b"".join(response.iter_raw())
        response.close()

        def copy() -> httpx.Response:
            return httpx.Response(
                response.status_code, headers=response.headers, stream=httpx.ByteStream(raw), request=request
            )

        checked = copy()
        checked.read()
        self.contract.hook(checked)
        return copy()


@pytest.fixture
def client(emulator: Emulator, contract: Contract) -> Iterator[Client]:
    transport = CheckingTransport(contract)
    with Client(emulator.url, emulator.organisation, emulator.token, transport=transport) as client:
        yield client


def test_every_read_of_the_client_matches_the_description(client: Client) -> None:
    connections = client.connections()
    ids = [connection.id for connection in connections.items]
    assert connections.confirmed
    assert {client.connection(id_).id for id_ in ids[:3]} == set(ids[:3])
    systems = client.systems().items
    assert client.connections(system_id=systems[0].id).items
    assert client.end_users("cust")
    assert read_usage(client).problems == ()
    assert len(take_snapshots(client, ids)) == len(ids)


def test_a_list_of_many_pages_matches_the_description_and_is_complete(client: Client) -> None:
    client._page_sizes["connections"] = 20
    first_list, second_list = client.connections().items, client.connections().items
    assert len(first_list) == len({connection.id for connection in second_list}) == 250


def test_every_response_to_a_deletion_matches_the_description(client: Client, emulator: Emulator) -> None:
    usage = read_usage(client)
    ids = [connection.id for connection in client.connections().items]
    unused, static, dynamic = (
        next(id_ for id_ in ids if usage.of(id_).kind == usage_kind) for usage_kind in ("unused", "static", "dynamic")
    )
    client.delete(unused)
    client.delete(static)  # The platform does not refuse to delete a static connection that is in use.
    with pytest.raises(ApiError, match="in use"):
        client.delete(dynamic)
    with pytest.raises(NotFoundError):
        client.delete(unused)
    assert emulator.deleted_ids == [unused, static]
    assert emulator.broken_environments


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(go_encoding=True),
        Behaviour(hide_dynamic=True),
        Behaviour(static_lists_all=True),
        Behaviour(max_page_size=100),
        Behaviour(max_page_size=100, refuse_large_pages=True),
        Behaviour(
            go_encoding=True, hide_dynamic=True, static_lists_all=True, max_page_size=50, refuse_large_pages=True
        ),
    ],
    ids=repr,
)
def test_the_client_finds_the_same_usage_however_the_platform_behaves(
    behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERSORI_TOKEN", "sandbox")

    def usage_kinds(behaviour: Behaviour) -> dict[str, str]:
        with Emulator(behaviour=behaviour) as emulator:
            versori.connect(server=emulator.url, org=emulator.organisation, auth="bearer")
            frame = versori.connections(".", usage=True)
        assert frame.attrs["versori"]["usage_problems"] == []
        return dict(zip(frame["id"], frame["kind"], strict=True))

    assert usage_kinds(behaviour) == usage_kinds(Behaviour())
