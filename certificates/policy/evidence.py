"""What the challenge port has seen of a CA's visits, and what that says."""

from __future__ import annotations

import dataclasses
import datetime


@dataclasses.dataclass(frozen=True, slots=True)
class Visit:
    """One request that came to the challenge port; the texts are a stranger's."""

    at: datetime.datetime
    address: str
    is_known: bool
    user_agent: str = ""
    host: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Evidence:
    """Requests for an order's tokens, and those for tokens of nobody in the same time.

    ``was_watched`` says that a challenge process ran all the while, so that none means none.
    """

    known: tuple[Visit, ...]
    unknown: tuple[Visit, ...]
    was_watched: bool
