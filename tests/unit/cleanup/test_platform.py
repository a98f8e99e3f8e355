import threading

from support.cleanup_examples import ORGANISATION, SERVER, make_id

from versori_magics.api.client import Client
from versori_magics.cleanup.platform import Platform


def test_platform_of_a_client_uses_its_operations_and_its_organisation() -> None:
    client = Client(SERVER, ORGANISATION, token="t0ken", auth="bearer")
    platform = Platform.of(client)
    assert (platform.server, platform.organisation) == (client.server, client.organisation)
    assert (platform.delete, platform.exists) == (client.delete, client.exists)
    assert platform.snapshots([]) == {}
    stop = threading.Event()
    stop.set()
    assert platform.exists(make_id(1), stop) is None
    client.close()
