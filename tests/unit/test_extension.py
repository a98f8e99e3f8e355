"""The extension in a real shell: it comes silently and lightly, and goes without a trace."""

import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import versori_magics as versori
from versori_magics.notebook.magics import PARSERS

HEAVY = (
    "pandas",
    "numpy",
    "httpx",
    "ipywidgets",
    "anywidget",
    "msgspec",
    "starlette",
    "uvicorn",
    "ulid",
    "jwt",
    "yaml",
)


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    made = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    yield made
    made.restore_sys_module_state()


def ours(shell: InteractiveShell) -> set[str]:
    return {name for kind in shell.magics_manager.magics.values() for name in kind if name.startswith("versori")}


def matchers(shell: InteractiveShell) -> int:
    return [matcher.__name__ for matcher in shell.Completer.custom_matchers].count("versori_matcher")


def test_loading_is_silent_and_brings_every_magic(
    shell: InteractiveShell, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    shell.run_line_magic("load_ext", "versori_magics")
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list
    assert ours(shell) == set(PARSERS)
    assert matchers(shell) == 1
    assert not [name for name in shell.user_ns if "versori" in name]


def test_loading_twice_changes_nothing(shell: InteractiveShell) -> None:
    for _ in range(2):
        versori.load_ipython_extension(shell)
    assert ours(shell) == set(PARSERS)
    assert matchers(shell) == 1


def test_unloading_takes_everything_away(shell: InteractiveShell) -> None:
    shell.run_line_magic("load_ext", "versori_magics")
    shell.run_line_magic("unload_ext", "versori_magics")
    assert "VersoriMagics" not in shell.magics_manager.registry
    assert ours(shell) == set()
    assert matchers(shell) == 0
    assert not shell.run_cell("%versori_runs --help", silent=True).success
    versori.unload_ipython_extension(shell)  # once more does no harm


def test_reloading_works(shell: InteractiveShell, capfd: pytest.CaptureFixture[str]) -> None:
    shell.run_line_magic("load_ext", "versori_magics")
    shell.run_line_magic("reload_ext", "versori_magics")
    assert ours(shell) == set(PARSERS)
    assert matchers(shell) == 1
    assert shell.run_cell("text = %versori_runs --help", silent=True).success
    assert repr(shell.user_ns["text"]).startswith("usage: %versori_runs")
    assert capfd.readouterr() == ("", "")


def test_no_other_magic_is_touched(shell: InteractiveShell) -> None:
    before = {kind: dict(names) for kind, names in shell.magics_manager.magics.items()}
    versori.load_ipython_extension(shell)
    versori.unload_ipython_extension(shell)
    assert {kind: dict(names) for kind, names in shell.magics_manager.magics.items()} == before


def test_a_variable_on_the_line_is_looked_up_by_us_and_not_expanded_by_the_shell(shell: InteractiveShell) -> None:
    shell.run_line_magic("load_ext", "versori_magics")
    shell.user_ns["trick"] = "x --help"
    for line, says in (
        ("$trick", "holds a text of 8 characters"),
        ("{trick}", "holds a text of 8 characters"),
        ("$trick $nosuch", "'$nosuch' is not expected here"),
    ):
        error = shell.run_cell(f"%versori_connections {line}", silent=True).error_in_exec
        assert says in str(error)


def test_inside_a_function_its_own_variables_are_found(shell: InteractiveShell) -> None:
    shell.run_line_magic("load_ext", "versori_magics")
    shell.run_cell(
        "def inner():\n    here = 'not one'\n    get_ipython().run_line_magic('versori_connections', 'here')",
        silent=True,
    )
    error = shell.run_cell("inner()", silent=True).error_in_exec
    assert str(error).startswith("The variable here holds a text of 7 characters, and ORG is a ULID.")


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_after_loading_in_a_fresh_interpreter_nothing_heavy_is_imported_and_nothing_connects() -> None:
    code = f"""
import sys
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
shell = InteractiveShell(config=Config({{"HistoryManager": {{"enabled": False}}}}))
before = set(sys.modules)
events = []
sys.addaudithook(lambda name, args: events.append(name) if name.startswith("socket.") else None)
shell.run_line_magic("load_ext", "versori_magics")
print(sorted(set({HEAVY!r}) & set(sys.modules)), events)
"""
    assert python(code) == "[] []\n"


def test_importing_the_package_imports_nothing_but_itself() -> None:
    code = "import sys, versori_magics; print(sorted(name for name in sys.modules if name.startswith('versori_')))"
    assert python(code) == "['versori_magics', 'versori_magics._version']\n"


def test_tab_imports_nothing_heavy_either() -> None:
    code = f"""
import sys
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
shell = InteractiveShell(config=Config({{"HistoryManager": {{"enabled": False}}}}))
shell.run_line_magic("load_ext", "versori_magics")
with provisionalcompleter():
    found = [one.text for one in shell.Completer.completions("%versori_delete . x --d", 23)]
assert found == ["--dry-run"], found
print(sorted(set({HEAVY!r}) & set(sys.modules)))
"""
    assert python(code) == "[]\n"


def test_every_public_name_is_there_and_there_are_20_at_most() -> None:
    assert len(versori.__all__) <= 20
    assert sorted(versori.__all__) == versori.__all__
    for name in versori.__all__:
        assert getattr(versori, name) is not None
        assert name in dir(versori)
    with pytest.raises(AttributeError, match="has no attribute 'nosuch'"):
        _ = versori.nosuch


def test_the_verb_sandbox_stays_a_verb_once_the_package_of_that_name_is_imported() -> None:
    package = importlib.import_module("versori_magics.sandbox")
    assert inspect.isfunction(versori.sandbox)
    assert package.Sandbox.__name__ == "Sandbox"
    code = """
import versori_magics.sandbox
from versori_magics.sandbox import Sandbox
import versori_magics as versori
from versori_magics import sandbox
print(type(versori.sandbox).__name__, sandbox is versori.sandbox, Sandbox.__name__)
"""
    assert python(code) == "function True Sandbox\n"
