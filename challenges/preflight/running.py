"""The order of the blocks: what asks nobody first, then all that asks, at the same time.

A later block works on what the earlier ones left usable. Only the main thread uses the database.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

from django.utils.translation import gettext as _

from challenges.models import ChallengeListener
from challenges.preflight import addresses, clock, directory, dns, names, reach, responder
from challenges.preflight.dns import Lookup
from challenges.preflight.parallel import in_parallel
from challenges.preflight.responder import Probe
from challenges.preflight.surroundings import Surroundings
from challenges.problems import Problem, Severity

logger = logging.getLogger(__name__)
Progress = Callable[[str], None]
Check = Callable[[], list[Problem]]
# Above the sum of what each check allows itself.
SECONDS = 12.0


def run(surroundings: Surroundings, *, progress: Progress | None = None) -> list[Problem]:
    """Look at everything; report what is wrong or worth knowing, in the order of the blocks.

    Takes at most about 15 seconds, and far less when all is well. Never raises: a defect in a
    check is a finding too. Must not be called inside a transaction, since the challenge port
    answers only what is committed.
    """
    return _attempted(_Preflight(surroundings, progress or _say_nothing).findings)


class _Preflight:
    """One run, and what it has learned so far."""

    def __init__(self, surroundings: Surroundings, progress: Progress) -> None:
        self.surroundings = surroundings
        self.progress = progress
        self.lookups: Sequence[Lookup] = ()
        self.answers_itself = False

    def findings(self) -> list[Problem]:
        """All blocks, the later ones only with what they need."""
        around = self.surroundings
        self.progress(_("Looking at the names and the clock"))
        about_names = _attempted(partial(names.check, around))
        about_clock = _attempted(partial(clock.check, around))
        usable = names.usable(around.hostnames, about_names)
        return [*about_names, *about_clock, *_attempted(partial(self._with_probe, usable))]

    def _with_probe(self, usable: Sequence[str]) -> list[Problem]:
        around = self.surroundings
        listener = responder.listener_on_duty(around.now)
        with responder.published_probe(around.now) as probe:
            self.progress(_("Asking the DNS, the challenge port and the certificate authority"))
            checks: tuple[Check, ...] = (
                partial(self._look_up, usable),
                partial(self._ask_ourselves, probe, listener),
                partial(directory.check, around),
            )
            about_dns, about_port, about_ca = _all_attempted(checks)
            about_reach: list[Problem] = []
            if self.answers_itself and self.lookups:
                self.progress(_("Asking for a token as the certificate authority will"))
                about_reach = _attempted(partial(reach.check, self.lookups, probe, around))
        return [*about_dns, *about_port, *about_reach, *about_ca]

    def _look_up(self, usable: Sequence[str]) -> list[Problem]:
        self.lookups = dns.look_up(usable, self.surroundings.dns_servers)
        return [
            *dns.findings(self.lookups, self.surroundings),
            *addresses.findings(self.lookups, self.surroundings),
        ]

    def _ask_ourselves(self, probe: Probe, listener: ChallengeListener | None) -> list[Problem]:
        answer = responder.ask(probe, responder.address_of(listener), self.surroundings)
        problem = responder.judge(answer, probe, listener, self.surroundings)
        self.answers_itself = problem is None
        return [problem] if problem else []


def _all_attempted(checks: Sequence[Check]) -> list[list[Problem]]:
    attempts = [partial(_attempted, check) for check in checks]
    results = in_parallel(attempts, seconds=SECONDS)
    return [[_incomplete("time limit")] if result is None else result for result in results]


def _attempted(check: Check) -> list[Problem]:
    """The findings of ``check``; a check that fails is itself a finding and stops no other."""
    try:
        return check()
    except Exception as error:
        logger.exception("A check of the preflight failed")
        return [_incomplete(f"{type(error).__name__}: {error}")]


def _incomplete(detail: str) -> Problem:
    return Problem(
        code="preflight-incomplete",
        severity=Severity.WARNING,
        explanation=_("A part of the preflight could not be carried out."),
        remedy=(_("Go on: the staging test has the final word. The log says more."),),
        detail=detail,
        retryable=True,
    )


def _say_nothing(_step: str) -> None:
    """For callers who do not watch."""
