"""Which request meets which fault: by kind, by chance or by script; changed while it runs."""

from __future__ import annotations

import dataclasses
import random
import threading
from collections.abc import Callable, Iterable, Sequence

from tests.parts.faulty_ca.endpoints import Endpoint
from tests.parts.faulty_ca.faults import Fault
from tests.parts.faulty_ca.wire import Request

EVERYWHERE = frozenset(Endpoint)


@dataclasses.dataclass(eq=False)
class Rule:
    """Applies to the matching requests ``after`` the first so many, at most ``times``.

    ``matched`` is how many there were, ``hits`` how many of them met a fault.
    """

    faults: Sequence[Fault | None]
    at: frozenset[Endpoint] = EVERYWHERE
    probability: float = 1.0
    times: int | None = None
    after: int = 0
    when: Callable[[Request], bool] | None = None
    is_script: bool = False
    matched: int = 0
    hits: int = 0

    def pick(self, endpoint: Endpoint, request: Request, chance: random.Random) -> Fault | None:
        """The fault that this request meets; None when it meets none."""
        if endpoint not in self.at or not (self.when is None or self.when(request)):
            return None
        self.matched += 1
        fault = self._next(chance)
        if fault is None or endpoint not in fault.only_at:
            return None
        self.hits += 1
        return fault

    def _next(self, chance: random.Random) -> Fault | None:
        number = self.matched - self.after
        if self.is_script:
            return self.faults[number - 1] if 0 < number <= len(self.faults) else None
        if number <= 0 or (self.times is not None and self.hits >= self.times):
            return None
        return chance.choice(self.faults) if chance.random() < self.probability else None


class Rules:
    """The rules of one CA, asked in the order in which they were added; for any thread."""

    def __init__(self, seed: int) -> None:
        self._lock = threading.Lock()
        self._chance = random.Random(seed)
        self._rules: list[Rule] = []

    def add(
        self,
        faults: Fault | Sequence[Fault],
        *,
        at: Endpoint | Iterable[Endpoint] = EVERYWHERE,
        probability: float = 1.0,
        times: int | None = None,
        after: int = 0,
        when: Callable[[Request], bool] | None = None,
    ) -> Rule:
        """From now on matching requests meet the fault, or one of several by equal chance.

        Only ``times`` of them, only ``after`` so many have passed, and only with ``probability``.
        """
        several = [faults] if isinstance(faults, Fault) else list(faults)
        return self._append(Rule(several, _kinds(at), probability, times, after, when))

    def script(
        self,
        at: Endpoint | Iterable[Endpoint],
        faults: Sequence[Fault | None],
        *,
        when: Callable[[Request], bool] | None = None,
    ) -> Rule:
        """The n-th matching request meets the n-th fault; None and those after the last pass."""
        return self._append(Rule(list(faults), _kinds(at), when=when, is_script=True))

    def remove(self, rule: Rule) -> None:
        """That rule is over; nothing happens when it already was."""
        with self._lock:
            self._rules = [other for other in self._rules if other is not rule]

    def clear(self) -> None:
        """The CA is well again."""
        with self._lock:
            self._rules.clear()

    def pick(self, endpoint: Endpoint, request: Request) -> Fault | None:
        """What this request meets: the first fault that a rule has for it."""
        with self._lock:
            for rule in self._rules:
                if fault := rule.pick(endpoint, request, self._chance):
                    return fault
        return None

    def _append(self, rule: Rule) -> Rule:
        with self._lock:
            self._rules.append(rule)
        return rule


def _kinds(at: Endpoint | Iterable[Endpoint]) -> frozenset[Endpoint]:
    return frozenset({at}) if isinstance(at, Endpoint) else frozenset(at)
