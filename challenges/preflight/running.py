"""The order of the blocks: first what asks nobody, then what asks others, then the way back in.

A block is looked at only if nothing fatal was found before it; inside a block all checks run at
the same time. Only the calling thread uses the database.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial

from django.utils.translation import gettext as _

from challenges.models import ChallengeListener
from challenges.preflight import (
    directory,
    dns,
    machine,
    names,
    own_port,
    processes,
    reach,
    scenario,
)
from challenges.preflight.addresses import reachable
from challenges.preflight.lookups import Lookup
from challenges.preflight.own_port import Probe
from challenges.preflight.parallel import in_parallel
from challenges.preflight.report import Report, joined
from challenges.preflight.surroundings import Surroundings
from challenges.problems import Problem, Severity

logger = logging.getLogger(__name__)
# Which step, of how many, and what it looks at, as a sentence.
Progress = Callable[[int, int, str], None]
Check = Callable[[], Report]
SECONDS = 20.0
STEPS = 3
_OWN_BLOCK, _ASKING_BLOCK, _REACH_BLOCK = 2.0, 12.0, 6.0


def run(
    surroundings: Surroundings, *, progress: Progress | None = None, seconds: float = SECONDS
) -> Report:
    """Look at everything; what is wrong or worth knowing, in the order of the blocks.

    Takes at most ``seconds``, whatever hangs, and far less when all is well; only the database
    has its own patience. Never raises: a defect in a check is a finding too. Must not be called
    inside a transaction, since the challenge port answers only what is committed.
    """
    started = _Run(surroundings, progress or _say_nothing, time.monotonic() + seconds)
    return _attempted(started.report)


class _Run:
    """One preflight, and what it has learned so far."""

    def __init__(self, surroundings: Surroundings, progress: Progress, deadline: float) -> None:
        self.surroundings = surroundings
        self.progress = progress
        self.deadline = deadline
        self.lookups: Sequence[Lookup] = ()
        self.listeners: tuple[ChallengeListener, ...] = ()
        self.silent: tuple[ChallengeListener, ...] = ()

    def report(self) -> Report:
        """All blocks up to the first with a fatal finding."""
        around = self.surroundings
        self._say(1, _("Looking at the names, the clock and this machine's addresses"))
        self.listeners = processes.listeners_on_duty(around.now)
        self.silent = processes.silent_elsewhere(around.now)
        own = machine.look()
        found = self._together(
            [
                partial(names.check, around),
                partial(scenario.check, self.listeners, own, around),
            ],
            _OWN_BLOCK,
        )
        if found.is_fatal:
            return found
        with own_port.published_probe(around.now) as probe:
            return found + self._asking(probe, own)

    def _asking(self, probe: Probe, own: machine.Machine) -> Report:
        around = self.surroundings
        self._say(2, _("Asking the DNS, the challenge port and the certificate authority"))
        found = self._together(
            [
                self._look_up,
                partial(own_port.check, probe, self.listeners, own, around, self.silent),
                partial(directory.check, around),
            ],
            _ASKING_BLOCK,
        )
        if found.is_fatal or not self.lookups:
            return found
        self._say(3, _("Asking for a token as the certificate authority will"))
        way_in = [
            partial(scenario.contradictions, self.lookups, around),
            partial(reach.check, self.lookups, probe, self.listeners, around),
        ]
        return found + self._together(way_in, _REACH_BLOCK)

    def _look_up(self) -> Report:
        around = self.surroundings
        report, self.lookups = dns.check(around.hostnames, around)
        found = tuple(
            (lookup.name, tuple(str(address) for address in reachable(lookup, around)))
            for lookup in self.lookups
        )
        return report + Report(addresses=found)

    def _together(self, checks: Sequence[Check], most: float) -> Report:
        attempts = [partial(_attempted, check) for check in checks]
        left = min(most, self.deadline - time.monotonic())
        results = in_parallel(attempts, seconds=left)
        return joined(result or Report((incomplete("It took too long."),)) for result in results)

    def _say(self, step: int, sentence: str) -> None:
        try:
            self.progress(step, STEPS, sentence)
        except Exception:  # whoever watches shall not stop what is watched
            logger.exception("The progress of a preflight could not be shown")


def _attempted(check: Check) -> Report:
    """What ``check`` finds; a check that fails is itself a finding and stops no other."""
    try:
        return check()
    except Exception as error:
        logger.exception("A check of the preflight failed")
        return Report((incomplete(f"{type(error).__name__}: {error}"),))


def incomplete(detail: str) -> Problem:
    """The finding for a check that was not carried out; what else was looked at is said."""
    return Problem(
        code="preflight-incomplete",
        severity=Severity.WARNING,
        explanation=_("A part of the preflight could not be carried out."),
        remedy=(_("Go on: the staging test has the final word. The log says more."),),
        detail=detail,
        retryable=True,
    )


def _say_nothing(_step: int, _of: int, _sentence: str) -> None:
    """For callers who do not watch."""
