"""What the DNS says about one name: the replies of every server for A and for AAAA."""

from __future__ import annotations

import dataclasses

from challenges.preflight.resolving import Failure, Reply
from challenges.preflight.surroundings import Address

# What is said of the name itself. The rest is said of the server, or of the way to it.
_ABOUT_THE_NAME = frozenset({Failure.NO_SUCH_NAME, Failure.BOGUS, Failure.BROKEN})
_PLAINEST_FIRST = (
    Failure.NO_SUCH_NAME,
    Failure.BOGUS,
    Failure.BROKEN,
    Failure.REFUSED,
    Failure.ODD,
    Failure.SILENCE,
)


@dataclasses.dataclass(frozen=True)
class Lookup:
    """The replies about a name, and what they say together."""

    name: str
    replies: tuple[Reply, ...]

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Every address that any server gives, IPv4 first."""
        each = dict.fromkeys(address for reply in self.replies for address in reply.addresses)
        return tuple(sorted(each, key=lambda address: address.version))

    @property
    def views(self) -> tuple[Lookup, ...]:
        """The same, server by server."""
        servers = dict.fromkeys(reply.server for reply in self.replies)
        return tuple(
            Lookup(self.name, tuple(reply for reply in self.replies if reply.server == server))
            for server in servers
        )

    @property
    def server(self) -> str:
        """The first server that was asked."""
        return self.replies[0].server if self.replies else ""

    @property
    def failure(self) -> Failure | None:
        """Why there is no address; None with one, and when it is known that there is none."""
        if self.addresses:
            return None
        failures = {reply.failure for reply in self.replies}
        return next((failure for failure in _PLAINEST_FIRST if failure in failures), None)

    @property
    def is_known(self) -> bool:
        """Whether the replies say anything about the name, be it that it is broken."""
        return bool(self.replies) and (self.failure is None or self.failure in _ABOUT_THE_NAME)

    @property
    def aliases(self) -> tuple[str, ...]:
        """The names that this one stands for, one after another."""
        return max((reply.aliases for reply in self.replies), key=len, default=())

    @property
    def ttl(self) -> int | None:
        """The longest time in seconds for which a server may remember its answer."""
        times = [reply.ttl for reply in self.replies if reply.ttl is not None]
        return max(times, default=None)

    @property
    def detail(self) -> str:
        """What was asked and answered, for an expert."""
        return "\n".join(dict.fromkeys(reply.detail for reply in self.replies if reply.detail))
