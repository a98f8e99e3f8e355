"""Starting, stopping and resetting the sandbox."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from versori_magics.sandbox import Sandbox, SandboxUnavailableError

ROOT = Path(__file__).parents[2]


def get(sandbox: Sandbox, path: str) -> httpx.Response:
    url = f"{sandbox.url}/o/{sandbox.organisation}{path}"
    return httpx.get(url, headers={"Authorization": f"Bearer {sandbox.token}"}, trust_env=False)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "versori-sandbox"]


def test_stop_frees_the_port_and_ends_the_thread_and_may_be_repeated() -> None:
    with Sandbox(connections=1) as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        mine = sandbox._thread
        assert sandbox.running
        assert mine in threads()
        assert mine.daemon
    assert not sandbox.running
    assert mine not in threads()
    sandbox.stop()  # again
    with Sandbox(connections=1, port=port) as other:
        assert get(other, "/projects").status_code == 200


def test_stop_does_not_wait_for_a_client_that_keeps_its_connection() -> None:
    with Sandbox(connections=1) as sandbox, httpx.Client(trust_env=False) as client:
        client.get(f"{sandbox.url}/")
        began = time.monotonic()
        sandbox.stop()
        assert time.monotonic() - began < 3


def test_stop_does_not_wait_for_a_slow_answer(capfd: pytest.CaptureFixture[str]) -> None:
    answers: list[int] = []
    with Sandbox(connections=1, latency=30) as sandbox:
        asking = threading.Thread(target=lambda: answers.append(get(sandbox, "/projects").status_code))
        asking.start()
        time.sleep(0.3)
        began = time.monotonic()
        sandbox.stop()
        assert time.monotonic() - began < 4
    asking.join(5)
    assert answers == [500]
    assert capfd.readouterr() == ("", "")


def test_a_taken_port_is_a_clear_error_and_leaves_no_thread() -> None:
    before = threads()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SandboxUnavailableError, match=f"Port {port}"):
            Sandbox(connections=1, port=port).start()
    assert threads() == before


def test_starting_twice_is_starting_once() -> None:
    with Sandbox(connections=1) as sandbox:
        url, mine = sandbox.url, sandbox._thread
        assert sandbox.start() is sandbox
        assert (sandbox.url, sandbox._thread) == (url, mine)


def test_a_stopped_sandbox_can_be_started_again_and_remembers() -> None:
    with Sandbox(connections=10) as sandbox:
        item = next(c for c in get(sandbox, "/connections").json()["items"])
        gone = httpx.delete(
            f"{sandbox.url}/o/{sandbox.organisation}/connections/{item['id']}",
            headers={"Authorization": "JWT sandbox"},
            trust_env=False,
        )
    with sandbox:
        assert get(sandbox, f"/connections/{item['id']}").status_code == (404 if gone.status_code == 204 else 200)


def test_reset_goes_back_to_the_seed_on_the_same_port(sandbox: Sandbox, http: httpx.Client) -> None:
    def everything() -> list[Any]:
        return [http.get(path).json() for path in ("/connections?first=1000", "/projects", "/users", "/systems")]

    url, before = sandbox.url, everything()
    for connection in before[0]["items"]:
        http.delete(f"/connections/{connection['id']}")
    assert sandbox.deleted
    assert sandbox.broken
    assert everything()[:2] != before[:2]
    sandbox.reset()
    assert everything() == before
    assert (sandbox.url, sandbox.deleted, sandbox.broken) == (url, [], [])


def test_what_is_handed_out_is_a_copy(sandbox: Sandbox) -> None:
    sandbox.deleted.append("x")
    sandbox.broken.append("x")
    assert (sandbox.deleted, sandbox.broken) == ([], [])


@pytest.mark.parametrize("size", [0, 1, 10])
def test_a_small_organisation_is_served_too(size: int) -> None:
    with Sandbox(connections=size) as sandbox:
        page = get(sandbox, "/connections").json()
    assert (page["totalCount"], len(page["items"])) == (size, size)


def test_two_sandboxes_of_one_seed_say_the_same() -> None:
    with Sandbox(connections=30, seed=9) as one, Sandbox(connections=30, seed=9) as other:
        assert one.url != other.url
        assert one.organisation == other.organisation
        assert get(one, "/connections?first=30").json() == get(other, "/connections?first=30").json()


def test_latency_is_waited_for_in_each_request_but_not_one_after_the_other() -> None:
    with Sandbox(connections=1, latency=0.3) as sandbox:
        began = time.monotonic()
        waiting = [threading.Thread(target=get, args=(sandbox, "/projects")) for _ in range(4)]
        for thread in waiting:
            thread.start()
        for thread in waiting:
            thread.join()
        assert 0.3 <= time.monotonic() - began < 1.2


def test_an_answer_does_not_wait_for_the_network_stack() -> None:
    with Sandbox(connections=1) as sandbox, httpx.Client(trust_env=False) as client:
        began = time.monotonic()
        for _ in range(100):
            client.get(f"{sandbox.url}/o/{sandbox.organisation}/users", headers={"Authorization": "JWT sandbox"})
        # A delayed acknowledgement costs 40 ms each, 4 s in all.
        assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "wrong", [{"connections": -1}, {"port": 70_000}, {"port": -1}, {"latency": -1}, {"latency": float("nan")}]
)
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Sandbox(**{"connections": 1, **wrong})


def test_its_repr_is_one_line_with_address_and_organisation() -> None:
    with Sandbox(connections=1) as sandbox:
        assert sandbox.url in repr(sandbox)
        assert sandbox.organisation in repr(sandbox)
        assert "\n" not in repr(sandbox)
    assert "stopped" in repr(sandbox)


def test_nothing_is_printed_or_logged(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, contract: Any
) -> None:
    with Sandbox(connections=10) as sandbox:
        assert get(sandbox, "/connections").status_code == 200
        assert get(sandbox, "/nothing").status_code == 404
        with socket.create_connection(("127.0.0.1", int(sandbox.url.rpartition(":")[2]))) as raw:
            raw.sendall(b"\x00 no http\r\n\r\n")
            raw.recv(100)
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.name.startswith(("uvicorn", "asyncio"))] == []


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )


def test_importing_and_making_a_sandbox_loads_no_server_library() -> None:
    code = (
        "import sys; from versori_magics.sandbox import Sandbox; Sandbox(connections=1)\n"
        "print(sorted({'starlette', 'uvicorn', 'httpx', 'pandas', 'IPython'} & set(sys.modules)))"
    )
    assert run(code).stdout.strip() == "[]"


@pytest.mark.parametrize("library", ["starlette", "uvicorn"])
def test_a_missing_library_is_an_error_that_says_what_to_install(library: str) -> None:
    code = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "from versori_magics.sandbox import Sandbox, SandboxUnavailableError\n"
        "try: Sandbox(connections=1).start()\n"
        "except SandboxUnavailableError as error: print(error)"
    )
    assert "pip install 'versori_magics[sandbox]'" in run(code).stdout


def test_it_shares_no_code_with_the_client() -> None:
    for module in (ROOT / "versori_magics" / "sandbox").glob("*.py"):
        for line in module.read_text("utf-8").splitlines():
            if "import" in line.split("#")[0] and "versori_magics" in line and ">>>" not in line:
                assert "versori_magics.sandbox" in line or "[sandbox]" in line, f"{module.name}: {line}"


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent as a signal")
def test_from_the_command_line_it_serves_until_ctrl_c() -> None:
    command = [sys.executable, "-m", "versori_magics.sandbox", "--port", "0", "--connections", "12", "--seed", "3"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or "VERSORI_TOKEN" not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], "it ended"
        values = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines if line.startswith("export"))
        page = httpx.get(
            f"{values['VERSORI_SERVER']}/o/{values['VERSORI_ORGANISATION']}/connections",
            headers={"Authorization": f"Bearer {values['VERSORI_TOKEN']}"},
            trust_env=False,
        ).json()
        assert page["totalCount"] == 12
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=20)
        assert (process.returncode, error) == (0, "")
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("arguments", [["--conn", "5"], ["--connections", "-5"], ["--port", "many"]])
def test_a_wrong_command_line_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    from versori_magics.sandbox.__main__ import main

    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "error" in capsys.readouterr().err


def test_a_taken_port_on_the_command_line_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    from versori_magics.sandbox.__main__ import main

    with Sandbox(connections=1) as sandbox:
        port = sandbox.url.rpartition(":")[2]
        assert main(["--port", port, "--connections", "1"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
