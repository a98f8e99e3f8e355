"""Starting, stopping and resetting the sandbox."""

import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from versori_magics.emulator import Emulator, EmulatorUnavailableError

ROOT = Path(__file__).parents[2]


def get(emulator: Emulator, path: str) -> httpx.Response:
    url = f"{emulator.url}/o/{emulator.organisation}{path}"
    return httpx.get(url, headers={"Authorization": f"Bearer {emulator.token}"}, trust_env=False)


def server_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "versori-sandbox"]


def port_of(emulator: Emulator) -> int:
    return int(emulator.url.rpartition(":")[2])


def test_stop_frees_the_port_and_ends_the_thread_and_can_be_repeated() -> None:
    with Emulator(connections=1) as emulator:
        port = port_of(emulator)
        thread = emulator._thread
        assert emulator.is_running
        assert thread in server_threads()
        assert thread.daemon
    assert not emulator.is_running
    assert thread not in server_threads()
    emulator.stop()  # a second time
    with Emulator(connections=1, port=port) as successor:
        assert get(successor, "/projects").status_code == 200


def test_stop_does_not_wait_for_a_client_that_keeps_its_connection_open() -> None:
    with Emulator(connections=1) as emulator, httpx.Client(trust_env=False) as client:
        client.get(f"{emulator.url}/")
        start = time.monotonic()
        emulator.stop()
        assert time.monotonic() - start < 3


def test_stop_does_not_wait_for_a_slow_response(capfd: pytest.CaptureFixture[str]) -> None:
    statuses: list[int] = []
    with Emulator(connections=1, latency=30) as emulator:
        request = threading.Thread(target=lambda: statuses.append(get(emulator, "/projects").status_code))
        request.start()
        time.sleep(0.3)
        start = time.monotonic()
        emulator.stop()
        assert time.monotonic() - start < 4
    request.join(5)
    assert statuses == [500]
    assert capfd.readouterr() == ("", "")


def test_a_port_in_use_is_an_error_that_names_the_port_and_leaves_no_thread() -> None:
    before = server_threads()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(EmulatorUnavailableError, match=f"Port {port}"):
            Emulator(connections=1, port=port).start()
    assert server_threads() == before


def test_a_second_start_changes_nothing() -> None:
    with Emulator(connections=1) as emulator:
        url, thread = emulator.url, emulator._thread
        assert emulator.start() is emulator
        assert (emulator.url, emulator._thread) == (url, thread)


def test_a_restarted_sandbox_keeps_its_deletions() -> None:
    with Emulator(connections=10) as emulator:
        connection_id = get(emulator, "/connections").json()["items"][0]["id"]
        deletion = httpx.delete(
            f"{emulator.url}/o/{emulator.organisation}/connections/{connection_id}",
            headers={"Authorization": "JWT sandbox"},
            trust_env=False,
        )
    with emulator:
        expected = 404 if deletion.status_code == 204 else 200
        assert get(emulator, f"/connections/{connection_id}").status_code == expected


def test_reset_returns_to_the_seeded_state_on_the_same_port(emulator: Emulator, http: httpx.Client) -> None:
    def read_everything() -> list[Any]:
        return [http.get(path).json() for path in ("/connections?first=1000", "/projects", "/users", "/systems")]

    url, before = emulator.url, read_everything()
    for connection in before[0]["items"]:
        http.delete(f"/connections/{connection['id']}")
    assert emulator.deleted_ids
    assert emulator.broken_environments
    assert read_everything()[:2] != before[:2]
    emulator.reset()
    assert read_everything() == before
    assert (emulator.url, emulator.deleted_ids, emulator.broken_environments) == (url, [], [])


def test_changing_a_returned_list_does_not_change_the_sandbox(emulator: Emulator) -> None:
    emulator.deleted_ids.append("x")
    emulator.broken_environments.append("x")
    assert (emulator.deleted_ids, emulator.broken_environments) == ([], [])


@pytest.mark.parametrize("size", [0, 1, 10])
def test_small_organisations_can_be_served(size: int) -> None:
    with Emulator(connections=size) as emulator:
        page = get(emulator, "/connections").json()
    assert (page["totalCount"], len(page["items"])) == (size, size)


def test_two_sandboxes_with_the_same_seed_return_the_same_data() -> None:
    with Emulator(connections=30, seed=9) as first, Emulator(connections=30, seed=9) as second:
        assert first.url != second.url
        assert first.organisation == second.organisation
        assert get(first, "/connections?first=30").json() == get(second, "/connections?first=30").json()


def test_latency_delays_each_request_but_simultaneous_requests_wait_together() -> None:
    with Emulator(connections=1, latency=0.3) as emulator:
        start = time.monotonic()
        requests = [threading.Thread(target=get, args=(emulator, "/projects")) for _ in range(4)]
        for request in requests:
            request.start()
        for request in requests:
            request.join()
        assert 0.3 <= time.monotonic() - start < 1.2


def test_responses_are_not_delayed_by_the_network_stack() -> None:
    with Emulator(connections=1) as emulator, httpx.Client(trust_env=False) as client:
        start = time.monotonic()
        for _ in range(100):
            client.get(f"{emulator.url}/o/{emulator.organisation}/users", headers={"Authorization": "JWT sandbox"})
        # A delayed acknowledgement takes 40 ms per request, 4 s in total.
        assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    "option", [{"connections": -1}, {"port": 70_000}, {"port": -1}, {"latency": -1}, {"latency": float("nan")}]
)
def test_numbers_out_of_range_are_rejected(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(option))):
        Emulator(**{"connections": 1, **option})


def test_the_repr_is_one_line_with_address_and_organisation() -> None:
    with Emulator(connections=1) as emulator:
        assert emulator.url in repr(emulator)
        assert emulator.organisation in repr(emulator)
        assert "\n" not in repr(emulator)
    assert "stopped" in repr(emulator)


def test_nothing_is_printed_or_logged(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    with Emulator(connections=10) as emulator:
        assert get(emulator, "/connections").status_code == 200
        assert get(emulator, "/nothing").status_code == 404
        with socket.create_connection(("127.0.0.1", port_of(emulator))) as raw:
            raw.sendall(b"\x00 no http\r\n\r\n")
            raw.recv(100)
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.name.startswith(("uvicorn", "asyncio"))] == []


def run_python(code: str) -> str:
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    return process.stdout


def test_creating_a_sandbox_imports_no_server_library() -> None:
    code = (
        "import sys; from versori_magics.emulator import Emulator; Emulator(connections=1)\n"
        "print(sorted({'starlette', 'uvicorn', 'httpx', 'pandas', 'IPython'} & set(sys.modules)))"
    )
    assert run_python(code).strip() == "[]"


@pytest.mark.parametrize("library", ["starlette", "uvicorn"])
def test_a_missing_library_is_an_error_that_says_what_to_install(library: str) -> None:
    code = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "from versori_magics.emulator import Emulator, EmulatorUnavailableError\n"
        "try: Emulator(connections=1).start()\n"
        "except EmulatorUnavailableError as error: print(error)"
    )
    assert "pip install 'versori_magics[sandbox]'" in run_python(code)


def test_the_emulator_shares_no_code_with_the_client() -> None:
    modules = list((ROOT / "versori_magics" / "emulator").glob("*.py"))
    assert modules
    for module in modules:
        imports = [line for line in module.read_text("utf-8").splitlines() if "import" in line.split("#")[0]]
        names = [name for line in imports for name in re.findall(r"versori_magics[\w.]*", line)]
        other_names = [name for name in names if not name.startswith("versori_magics.emulator")]
        assert not other_names, f"{module.name} imports {other_names}"
