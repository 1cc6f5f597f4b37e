"""What the CAA records that the public DNS servers give mean for the names. Asks nobody."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from django.utils.translation import gettext as _

from challenges.preflight import caa, caa_words, zone
from challenges.preflight.caa import Relevant, Verdict
from challenges.preflight.caa_words import Group
from challenges.preflight.report import Established, Fact, Report
from challenges.preflight.resolving import Failure, Reply
from challenges.preflight.surroundings import Surroundings
from challenges.problems import Problem, Severity

# For a name: what each server that knows its address says of the CAA records on the way up.
Said = Sequence[Mapping[str, Reply]]
_BROKEN = frozenset({Failure.BROKEN, Failure.BOGUS})


@dataclasses.dataclass(frozen=True)
class _Judged:
    """What one server's records mean for one name; no verdict when they cannot be read."""

    name: str
    relevant: Relevant
    verdict: Verdict | None


def check(said: Mapping[str, Said], surroundings: Surroundings) -> Report:
    """One finding for all names that the same records stand in the way of."""
    if not surroundings.caa_identities or not said:
        return Report()
    grouped: dict[tuple[Verdict | None, str, bool], list[_Judged]] = {}
    allowed: list[_Judged] = []
    for name, by_server in said.items():
        worst, is_agreed = _view(name, by_server, surroundings)
        if worst.verdict in caa.GOOD:
            allowed.append(worst)
        else:
            key = (worst.verdict, worst.relevant.at, is_agreed)
            grouped.setdefault(key, []).append(worst)
    findings = tuple(
        _finding(verdict, at, is_agreed, group, surroundings)
        for (verdict, at, is_agreed), group in grouped.items()
    )
    if len(allowed) < len(said):
        return Report(findings)
    return Report(findings, (Established(Fact.CAA_ALLOWS, _allowing(allowed, surroundings)),))


def refused(said: Mapping[str, Said], surroundings: Surroundings) -> tuple[str, ...]:
    """The names for which all servers agree that the CA may not issue."""
    if not surroundings.caa_identities:
        return ()
    names = []
    for name, by_server in said.items():
        worst, is_agreed = _view(name, by_server, surroundings)
        if worst.verdict in caa.FORBIDDING and is_agreed:
            names.append(name)
    return tuple(names)


def _view(name: str, by_server: Said, surroundings: Surroundings) -> tuple[_Judged, bool]:
    """What stands most in the way of a name, and whether the servers agree on it."""
    judged = [_judged(name, replies, surroundings) for replies in by_server]
    worst = _worst(judged)
    return worst, _is_agreed(worst, judged)


def _judged(name: str, replies: Mapping[str, Reply], surroundings: Surroundings) -> _Judged:
    found = caa.relevant(name, replies)
    if found.failure:
        return _Judged(name, found, None)
    verdict = caa.judge(found.properties, surroundings.caa_identities, surroundings.account_uris)
    return _Judged(name, found, verdict)


def _worst(judged: Sequence[_Judged]) -> _Judged:
    """The view that stands most in the way: forbidding, broken, doubtful, silent, good."""

    def rank(each: _Judged) -> int:
        if each.verdict in caa.FORBIDDING:
            return 0
        if each.relevant.failure in _BROKEN:
            return 1
        if each.verdict is None:
            # Silence of one server says nothing when another has answered.
            return 4 if any(other.verdict for other in judged) else 3
        return 3 if each.verdict in caa.GOOD else 2

    return min(judged, key=rank)


def _is_agreed(worst: _Judged, judged: Sequence[_Judged]) -> bool:
    """Whether every server that says anything says so, and enough of them say anything."""
    known = [each for each in judged if each.verdict or each.relevant.failure in _BROKEN]
    same = [each for each in known if each.verdict is worst.verdict]
    return bool(known) and len(same) == len(known) and 2 * len(known) >= len(judged)


def _finding(
    verdict: Verdict | None,
    at: str,
    is_agreed: bool,
    judged: Sequence[_Judged],
    surroundings: Surroundings,
) -> Problem:
    certain = is_agreed and (verdict is None or verdict in caa.FORBIDDING)
    group = Group(
        names=tuple(each.name for each in judged),
        at=at,
        severity=Severity.ERROR if certain else Severity.WARNING,
        detail="\n".join(dict.fromkeys(each.relevant.detail for each in judged)),
    )
    problem = caa_words.problem(verdict, group, surroundings)
    if is_agreed:
        return problem
    is_said = verdict or any(each.relevant.failure in _BROKEN for each in judged)
    doubt = (
        _("Not all of the public DNS servers say so: after a change wait, then try again.")
        if is_said
        else _(
            "None of the public DNS servers gives an answer, so whether the CA gets one is unknown "
            "from here: the staging test decides."
        )
    )
    return dataclasses.replace(problem, remedy=(*problem.remedy, doubt), retryable=True)


def _allowing(allowed: Sequence[_Judged], surroundings: Surroundings) -> str:
    names = [each.name for each in allowed]
    owners = dict.fromkeys(each.relevant.at for each in allowed if each.relevant.at)
    facts = {
        "names": zone.names(names),
        "owners": zone.names(list(owners)),
        "ca": surroundings.caa_identities[0],
    }
    if owners:
        return _("The CAA records of %(owners)s let %(ca)s issue for %(names)s.") % facts
    return _("No CAA record restricts who may issue certificates for %(names)s.") % facts
