"""Third block: the token by its public name, on the port and the addresses that a CA will use.

Only advice: behind a router without hairpin NAT a machine cannot see itself from outside. Connects
to nothing but addresses that the public DNS gave for the certificate's own names, each as it was
given, and follows nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial

from django.utils.translation import gettext as _

from challenges.models import ChallengeListener
from challenges.ports import HTTP_PORT
from challenges.preflight import classify, machine, permitted, strangers, unanswered, zone
from challenges.preflight.addresses import reachable
from challenges.preflight.advice import Asked
from challenges.preflight.classify import Kind
from challenges.preflight.fetching import Answer, Outcome, fetch
from challenges.preflight.lookups import Lookup
from challenges.preflight.own_port import Probe
from challenges.preflight.parallel import in_parallel
from challenges.preflight.report import Established, Fact, Report, joined
from challenges.preflight.surroundings import Address, Surroundings
from challenges.problems import Problem, Severity

SECONDS = 3.0
MOST_TARGETS = 16


@dataclasses.dataclass(frozen=True)
class Target:
    """One name at one of its addresses."""

    name: str
    address: Address


def targets(lookups: Sequence[Lookup], surroundings: Surroundings) -> list[Target]:
    """Every name at every public address, up to a limit that keeps this quick.

    No address is left out for another name at the same one.
    """
    return _all_targets(lookups, surroundings)[:MOST_TARGETS]


def not_asked(lookups: Sequence[Lookup], surroundings: Surroundings) -> Report:
    """What a CA may ask and we do not, so that nothing seems well: each address that is left out,
    and how many are too many.
    """
    left_out: dict[Address, list[str]] = {}
    for lookup in lookups:
        for address in reachable(lookup, surroundings):
            if not _may_ask(address, surroundings):
                left_out.setdefault(address, []).append(lookup.name)
    asked = (Asked(zone.names(names), address) for address, names in left_out.items())
    found = tuple(map(_not_asked, asked))
    count = len(_all_targets(lookups, surroundings))
    return Report((*found, _too_many(count)) if count > MOST_TARGETS else found)


def check(
    lookups: Sequence[Lookup],
    probe: Probe,
    listeners: Sequence[ChallengeListener],
    surroundings: Surroundings,
) -> Report:
    """Ask all targets at the same time and judge their answers."""
    asked = targets(lookups, surroundings)
    port = surroundings.public_port
    answers = in_parallel(
        [partial(fetch, t.address, port, probe.token, host=t.name, seconds=SECONDS) for t in asked],
        seconds=SECONDS + 1,
    )
    answered = [answer or Answer(Outcome.SILENT) for answer in answers]
    pairs = list(zip(asked, answered, strict=True))
    return judge(pairs, probe, listeners, surroundings) + not_asked(lookups, surroundings)


def judge(
    answers: Sequence[tuple[Target, Answer]],
    probe: Probe,
    listeners: Sequence[ChallengeListener],
    surroundings: Surroundings,
) -> Report:
    """What the answers, or their absence, mean in this scenario: the same for names at one
    address is said once.
    """
    view = unanswered.View(surroundings, tuple(listeners), _families(answers, probe))
    alike: dict[tuple[Address, Outcome, Kind | None, str], list[tuple[Target, Answer]]] = {}
    for target, answer in answers:
        seen = _seen(target, answer, probe)
        key = (
            target.address,
            answer.outcome,
            seen.kind if seen else None,
            seen.what if seen else "",
        )
        alike.setdefault(key, []).append((target, answer))
    return joined(_judge_one(group, probe, view) for group in alike.values())


def _all_targets(lookups: Sequence[Lookup], surroundings: Surroundings) -> list[Target]:
    """Every name at every address that may be asked, first each address once."""
    found = [
        Target(lookup.name, address)
        for lookup in lookups
        for address in reachable(lookup, surroundings)
        if _may_ask(address, surroundings)
    ]
    first = list({target.address: target for target in reversed(found)}.values())[::-1]
    return list(dict.fromkeys([*first, *found]))


def _may_ask(address: Address, surroundings: Surroundings) -> bool:
    """Whether the port that a CA comes to may be asked at ``address``.

    Where a network only plays the public one, port 80 is somebody else's: it takes another
    ``public_port`` to be asked there.
    """
    is_somebody_elses = surroundings.public_port == HTTP_PORT and surroundings.counts_as_public(
        address
    )
    return permitted.may_connect(address, surroundings) and not is_somebody_elses


def _judge_one(
    group: Sequence[tuple[Target, Answer]], probe: Probe, view: unanswered.View
) -> Report:
    target, answer = group[0]
    names = list(dict.fromkeys(each.name for each, _answer in group))
    asked = Asked(zone.names(names), target.address)
    seen = _seen(target, answer, probe)
    if seen is None:
        return Report((unanswered.problem(asked, answer, view),))
    if seen.kind is not Kind.OURS:
        found = strangers.problem(asked, seen, answer.detail, view.surroundings, view.elsewhere)
        return Report((found,))
    return Report(established=(_established(asked, view.surroundings),))


def _seen(target: Target, answer: Answer, probe: Probe) -> classify.Seen | None:
    """Who answered, if anybody."""
    if answer.outcome not in {Outcome.ANSWERED, Outcome.NOT_HTTP}:
        return None
    return classify.classify(answer, target.name, probe.token, probe.authorization)


def _families(answers: Sequence[tuple[Target, Answer]], probe: Probe) -> frozenset[int]:
    """The address families by which this gateway has been reached."""
    return frozenset(
        target.address.version for target, answer in answers if answer.is_token(probe.authorization)
    )


def _established(asked: Asked, surroundings: Surroundings) -> Established:
    facts = asked.facts
    # What is sent to an address of our own never leaves the machine, and passes no firewall.
    stays_inside = machine.is_own(asked.address) and not surroundings.counts_as_public(
        asked.address
    )
    if stays_inside:
        sentence = _(
            "%(names)s leads to this machine's own address %(address)s, and the challenge port "
            "answers there. Whether a firewall in front lets port %(port)d through cannot be seen "
            "from here."
        )
        return Established(Fact.PORT_SERVED, sentence % facts)
    sentence = _(
        "This gateway answers for %(names)s on port %(port)d of %(address)s, as seen from here."
    )
    return Established(Fact.PORT_PUBLIC, sentence % facts)


def _not_asked(asked: Asked) -> Problem:
    """The finding for an address that counts as public, and that the preflight does not ask."""
    facts = asked.facts
    return Problem(
        code="public-port-not-asked",
        severity=Severity.INFO,
        explanation=_(
            "%(names)s leads to %(address)s, which this check does not connect to because it is "
            "of a special kind, so whether port %(port)d answers there is unknown."
        )
        % facts,
        remedy=(
            _(
                "If %(address)s is not the address of this gateway, correct the records of "
                "%(names)s in the public DNS."
            )
            % facts,
            _("Else go on: the staging test asks it."),
        ),
    )


def _too_many(count: int) -> Problem:
    """The finding for so many names and addresses that only some are asked."""
    facts = {"count": count, "asked": MOST_TARGETS, "left": count - MOST_TARGETS, "port": HTTP_PORT}
    return Problem(
        code="public-port-not-all-asked",
        severity=Severity.INFO,
        explanation=_(
            "The names and their addresses make %(count)d pairs. This check asked %(asked)d of "
            "them at port %(port)d, so whether it answers for the other %(left)d is unknown."
        )
        % facts,
        remedy=(_("Go on: the staging test asks for every name."),),
    )
