"""One order's conversation with its CA: what belongs to it, and what a worker remembers of it."""

from __future__ import annotations

import dataclasses
import datetime
import sys
from typing import Self

from certificates import authority, milestones
from certificates.leases import Lease
from certificates.models import Order
from certificates.pem import ChainFacts

AT_ONCE = datetime.timedelta(0)


@dataclasses.dataclass(frozen=True)
class Progress:
    """Either the chain, or how long to wait before the next step."""

    wait: datetime.timedelta = AT_ONCE
    chain: ChainFacts | None = None


@dataclasses.dataclass
class Memory:
    """What one worker has heard in one stage and need not ask again; it is lost with the worker.

    ``is_resumed`` says that another worker died over the order, so that the CA has to be asked
    how far it is. ``answers`` grows with every answer, and ``answers_at_failure`` is what it was
    when the step last failed: whether it has got further since.
    """

    is_resumed: bool = False
    is_validated_anew: bool = False
    answers: int = 0
    answers_at_failure: int = 0
    authorizations: dict[str, authority.AuthorizationAnswer] = dataclasses.field(
        default_factory=dict
    )
    answered: set[str] = dataclasses.field(default_factory=set)

    @classmethod
    def of_a_new_worker(cls, *, is_resumed: bool, has_failed: bool) -> Self:
        """After failures, what has to be asked again because another worker knew it is no progress.

        Otherwise a step whose second request always fails would be repeated without end.
        """
        return cls(is_resumed=is_resumed, answers_at_failure=sys.maxsize if has_failed else 0)


@dataclasses.dataclass
class Conversation:
    """An order and the connection to its CA, as long as the lease is ours."""

    order: Order
    ca: authority.Authority
    lease: Lease
    memory: Memory
    names: list[str]

    def heard(self, milestone: str) -> None:
        """The CA has answered, and nothing of it is stored yet."""
        self.memory.answers += 1
        self.reached(milestone)

    def reached(self, milestone: str) -> None:
        """Pass a milestone of this order."""
        milestones.reached(f"{self.order.environment}:{milestone}")
