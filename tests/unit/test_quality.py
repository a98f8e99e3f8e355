"""The project keeps its own rules: style, types, the README's commands and the top level."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "versori_magics" / "notebook" / "form" / "static"
TOP = {"pyproject.toml", "versori_magics", "notebooks", "tests", "README.md", "binder", "LICENSE", "CHANGELOG.md"}


def run(*command: str) -> str:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_ruff_finds_nothing() -> None:
    assert not run("ruff", "check", ".")


def test_the_code_is_formatted() -> None:
    assert not run("ruff", "format", "--check", ".")


def test_oxlint_finds_nothing_in_the_javascript_and_no_use_of_inner_html() -> None:
    oxlint = Path(sysconfig.get_path("scripts")) / "oxlint"
    done = subprocess.run([oxlint, "--deny-warnings", STATIC], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "on 1 file" in done.stdout  # it linted something


def test_mypy_finds_nothing() -> None:
    assert not run("mypy")


def test_only_expected_files_are_at_the_top_level() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    names = {path.split("/")[0] for path in tracked if path and not path.startswith(".")}
    assert names <= TOP


def test_the_readme_has_exactly_two_set_up_commands_of_one_line_each() -> None:
    part = (ROOT / "README.md").read_text(encoding="utf-8").split("## Set up")[1].split("\n## ")[0]
    blocks = re.findall(r"```bash\n(.*?)```", part, re.DOTALL)
    assert [block.strip().count("\n") for block in blocks] == [0, 0]
    assert "jupyter lab" in blocks[0]
    assert "pytest" in blocks[1]


def test_the_readme_names_every_magic_and_every_flag() -> None:
    from versori_magics.notebook.magics import MAGICS

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for magic in MAGICS.values():
        assert f"%{magic.name}" in readme
        assert [flag for flag in magic.flags if flag not in readme] == []


def test_the_readme_names_every_setting() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "versori_magics").rglob("*.py"))
    assert [name for name in set(re.findall(r"VERSORI_[A-Z]+", code)) if name not in readme] == []
