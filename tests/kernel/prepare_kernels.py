"""Installs the ipykernel versions in which `test_cancel.py` clicks Cancel: `python tests/kernel/prepare_kernels.py`.

Each goes into a folder of its own. Put before all others on a kernel's PYTHONPATH, that folder makes the version the
kernel; everything else comes from the tests' environment. It needs pip and nothing else.
"""

import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".kernels"
# The last version without subshells, and the first with them. The environment's own is the newest.
VERSIONS = ("6.31", "7.0")
# What these versions need beside the requirements of the ipykernel in the tests' environment.
COMPANIONS = ("nest-asyncio", "nest-asyncio2", "psutil")


def is_prepared(version: str) -> bool:
    """Tell whether a version is installed in its folder."""
    return any((FOLDER / version).glob(f"ipykernel-{version}.*.dist-info"))


def prepare(version: str) -> None:
    """Install a version; its folder appears only once it is complete."""
    unfinished = FOLDER / f"{version}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.rmtree(FOLDER / version, ignore_errors=True)
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--target", str(unfinished)]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, f"ipykernel=={version}.*", *COMPANIONS], check=True
    )
    unfinished.rename(FOLDER / version)


def main() -> None:
    for version in VERSIONS:
        if is_prepared(version):
            sys.stdout.write(f"ipykernel {version} is in {FOLDER / version} already.\n")
        else:
            prepare(version)
            sys.stdout.write(f"ipykernel {version} was installed in {FOLDER / version}.\n")


if __name__ == "__main__":
    main()
