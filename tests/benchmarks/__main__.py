"""Measure everything and print the README's table: ``python tests/benchmarks [deleting] [listing] …``."""

from __future__ import annotations

import sys

import deleting
import listing
import sizes
import starting
from timing import table

BENCHMARKS = {module.__name__: module.measure for module in (deleting, listing, starting, sizes)}

if __name__ == "__main__":
    names = sys.argv[1:] or list(BENCHMARKS)
    print(table([row for name in names for row in BENCHMARKS[name]()]))  # noqa: T201 - the table is the result
