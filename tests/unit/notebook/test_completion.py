"""Tab on the line of a magic, as a shell answers it."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import versori_magics as versori
from versori_magics.notebook.completion import suggest
from versori_magics.notebook.magics import MAGICS


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[InteractiveShell]:
    config = tmp_path / "config.yaml"
    config.write_text('active_context: ""\ncontexts:\n  acme: {name: acme}\n  globex: {name: globex}\n')
    monkeypatch.setenv("VERSORI_CONFIG", str(config))
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    versori.load_ipython_extension(shell)
    shell.user_ns.update(df=pd.DataFrame(), ids=["x"], org="x", number=3, _hidden=["x"])
    yield shell
    shell.restore_sys_module_state()


def complete(shell: InteractiveShell, line: str) -> list[str]:
    with provisionalcompleter():
        return [completion.text for completion in shell.Completer.completions(line, len(line))]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%versori_connect ", ["acme", "globex"]),
        ("%versori_connect a", ["acme"]),
        ("%versori_connect --server ", ["development", "production", "staging"]),
        ("%versori_connect --auth ", ["auto", "bearer", "cookie", "jwt"]),
        ("%versori_connect --auth j", ["jwt"]),
        ("%versori_connect --", ["--auth", "--help", "--org", "--server"]),
        ("%versori_connect --auth jwt --", ["--help", "--org", "--server"]),
        ("%versori_connections ", ["df", "ids", "org"]),
        ("df = %versori_connections o", ["org"]),
        ("%versori_delete . ", ["df", "ids", "org"]),
        ("%versori_delete . df --break i", ["ids"]),
        ("%versori_delete . df --d", ["--dry-run"]),
        ("%versori_resume ", ["df", "ids", "org"]),
        ("%versori_form ", ["df", "ids", "org"]),
        ("%versori_sandbox ", ["reset", "start", "stop"]),
        ("%versori_sandbox st", ["start", "stop"]),
        ("%versori_runs ", ["--help"]),
        ("%versori_runs --", ["--help"]),
    ],
)
def test_tab_suggests_the_words_that_the_line_accepts_next_and_nothing_else(
    shell: InteractiveShell, line: str, expected: list[str]
) -> None:
    assert sorted(complete(shell, line)) == expected


def test_nothing_is_suggested_for_a_number() -> None:
    assert list(suggest(MAGICS["versori_delete"], [".", "df", "--max"], "", {"df": ["x"]})) == []


def test_the_words_of_other_lines_are_left_to_the_shell(shell: InteractiveShell) -> None:
    assert "number" in complete(shell, "print(numb")
    assert "--dry-run" not in complete(shell, "%versori_nosuch --")


def test_a_variable_that_is_defined_later_is_suggested_too(shell: InteractiveShell) -> None:
    shell.user_ns["later"] = ["x"]
    assert complete(shell, "%versori_delete . lat") == ["later"]
