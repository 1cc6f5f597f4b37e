"""Follows aliases (CNAME) by hand, one by one, where a DNS server gives up on the way."""

from __future__ import annotations

import time
from collections.abc import Sequence

from challenges.preflight.resolvers import Server
from challenges.preflight.resolving import Question, ask

MOST = 10  # more than resolvers follow, Let's Encrypt's among them
MOST_NAMES = 10


def follow(
    names: Sequence[str], servers: Sequence[Server], deadline: float
) -> dict[str, tuple[str, ...]]:
    """The aliases of each name in their order, until one recurs or there are too many.

    ``deadline`` is of the monotonic clock. Only the first names are followed.
    """
    chains: dict[str, tuple[str, ...]] = dict.fromkeys(names[:MOST_NAMES], ())
    ends = {name: name for name in chains}
    for _step in range(MOST + 2):
        targets = _targets(ends, servers, deadline)
        ends = {
            name: target for name, target in targets.items() if target not in {name, *chains[name]}
        }
        for name, target in targets.items():
            chains[name] = (*chains[name], target)
        if not ends:
            break
    return chains


def _targets(ends: dict[str, str], servers: Sequence[Server], deadline: float) -> dict[str, str]:
    """Where each name's last alias leads, as the first server says that knows."""
    questions = {
        name: [Question(server, end, "CNAME") for server in servers] for name, end in ends.items()
    }
    asked = [question for group in questions.values() for question in group]
    replies = ask(asked, seconds=deadline - time.monotonic())
    return {
        name: target
        for name, group in questions.items()
        if (target := next((replies[q].aliases[0] for q in group if replies[q].aliases), ""))
    }
