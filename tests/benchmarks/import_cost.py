"""
Measure what ``import libstore`` costs, in milliseconds of processor time.

    python tests/benchmarks/import_cost.py

Each round is a fresh interpreter. It prints the median and the least of the rounds, for the import
alone and for the first use of the local driver.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

ROUNDS = 40
STATEMENTS = {
    "import libstore": "import libstore",
    "... and the local driver": "import libstore; libstore.get_driver('local')",
    "... and all public names": "from libstore import *",
}


def cost(statement: str) -> float:
    """Return the milliseconds that a statement takes in a fresh interpreter."""
    code = (
        "import time; start = time.process_time()\n"
        f"{statement}\n"
        "print(1000 * (time.process_time() - start))"
    )
    return float(subprocess.check_output([sys.executable, "-c", code]))


def main() -> None:
    """Print a line for each statement."""
    for label, statement in STATEMENTS.items():
        cost(statement)  # writes the byte code, which later rounds find
        rounds = [cost(statement) for _ in range(ROUNDS)]
        print(
            f"{label:<26} median {statistics.median(rounds):6.2f} ms   least {min(rounds):6.2f} ms"
        )


if __name__ == "__main__":
    main()
