"""Makes Swift's rings: which server holds what. Run as a program, with the packages of Swift."""

from __future__ import annotations

import sys
from pathlib import Path

from swift.common.ring import RingBuilder


def main() -> None:
    """Write a ring of one device for each ``name=port`` that is given."""
    folder = Path(sys.argv[1])
    for pair in sys.argv[2:]:
        name, _, port = pair.partition("=")
        builder = RingBuilder(4, 1, 0)
        device = {"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "d1"}
        builder.add_dev({**device, "weight": 1.0})
        builder.rebalance()
        builder.get_ring().save(str(folder / f"{name}.ring.gz"))


main()
