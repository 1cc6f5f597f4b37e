"""Switches between two sets of files on a disk that fails now and then: `… ROOT SEED`.

Goes on until its standard input ends; then says how many writes succeeded, failed and were killed.
"""

from __future__ import annotations

import json
import random
import select
import sys
from collections import Counter
from pathlib import Path

from certificates.generations import Shelf
from tests.parts import faults

NAME = "default"


def sets() -> list[dict[str, bytes]]:
    """The two sets: what is what can be seen from every line."""
    return [
        {
            "fullchain.pem": f"certificate {which}\n".encode() * 200,
            "privkey.pem": f"key {which}\n".encode() * 100,
        }
        for which in ("A", "B")
    ]


def _how_it_fails(chance: random.Random) -> faults.Fails:
    at, number = chance.randint(1, 50), chance.choice(faults.ERRORS)
    return chance.choice(
        [
            faults.none,
            faults.none,
            faults.once(at, number),
            faults.lasting(at, number),
            faults.killed(at),
            faults.now_and_then(chance.randrange(2**32), 0.05),
        ]
    )


def main(root: Path, seed: int) -> None:
    """Switch until told to stop."""
    chance = random.Random(seed)
    shelf = Shelf(root, NAME)
    ended: Counter[str] = Counter()
    number = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        number += 1
        fails = _how_it_fails(chance)
        try:
            with faults.calls(fails):
                shelf.put("set", sets()[number % 2])
        except OSError:
            ended["failed"] += 1
        except faults.KilledError:
            ended["killed"] += 1
        else:
            ended["written"] += 1
    json.dump(ended, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
