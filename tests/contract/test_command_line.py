"""The command `python -m versori_magics sandbox`."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from versori_magics.__main__ import main
from versori_magics.emulator import Emulator

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent as a signal")
def test_the_sandbox_command_serves_until_ctrl_c() -> None:
    options = ["--port", "0", "--connections", "12", "--seed", "3"]
    command = [sys.executable, "-m", "versori_magics", "sandbox", *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or "VERSORI_TOKEN" not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], "the command ended early"
        values = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines if line.startswith("export"))
        page = httpx.get(
            f"{values['VERSORI_SERVER']}/o/{values['VERSORI_ORGANISATION']}/connections",
            headers={"Authorization": f"Bearer {values['VERSORI_TOKEN']}"},
            trust_env=False,
        ).json()
        assert page["totalCount"] == 12
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
        assert (process.returncode, stderr) == (0, "")
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    "options", [["--conn", "5"], ["--connections", "-5"], ["--port", "many"], ["--port", "70000"], ["--latency", "nan"]]
)
def test_invalid_options_of_the_sandbox_command_are_rejected(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["sandbox", *options])
    assert exit_info.value.code == 2
    assert "error" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["sand", "unknown"])
def test_abbreviated_and_unknown_commands_are_rejected(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main([command])
    assert exit_info.value.code == 2
    assert command in capsys.readouterr().err


def test_without_a_command_the_help_is_printed_and_the_exit_code_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "usage: python -m versori_magics" in output.err
    assert "sandbox" in output.err


def test_a_port_in_use_is_reported_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Emulator(connections=1) as emulator:
        port = emulator.url.rpartition(":")[2]
        assert main(["sandbox", "--port", port, "--connections", "1"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
