"""First block: each name is of a kind that a public CA certifies. Asks nobody."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from challenges import hostnames
from challenges.preflight.surroundings import Surroundings
from challenges.problems import Problem, ProblemError, Severity

# RFC 6761 and its registry, RFC 6762 appendix G, RFC 8375, ICANN's reservation of .internal, and
# the names that ICANN will not delegate because private networks use them.
_SPECIAL = frozenset(
    "alt arpa corp example home internal intranet invalid lan local localdomain localhost mail "
    "onion private test".split()
)
_DOCUMENTATION = frozenset({"example.com", "example.net", "example.org"})


def check(surroundings: Surroundings) -> list[Problem]:
    """The findings about the names themselves."""
    return [
        problem
        for name in surroundings.hostnames
        if (problem := judge(name, is_demonstration=bool(surroundings.public_networks)))
    ]


def judge(name: str, *, is_demonstration: bool) -> Problem | None:
    """What is wrong with one name; in a demonstration reserved names are the point."""
    try:
        hostnames.normalise(name)
    except ProblemError as error:
        return error.problem
    if is_demonstration:
        return None
    labels = name.lower().split(".")
    if labels[-1] in _SPECIAL:
        return _not_public(name, f".{labels[-1]}")
    if ".".join(labels[-2:]) in _DOCUMENTATION:
        return _not_public(name, ".".join(labels[-2:]))
    return None


def usable(names: Sequence[str], findings: Sequence[Problem]) -> tuple[str, ...]:
    """The names worth looking up: all of them unless something is fatally wrong with one."""
    return () if any(finding.severity == Severity.ERROR for finding in findings) else tuple(names)


def _not_public(name: str, ending: str) -> Problem:
    return Problem(
        code="hostname-not-public",
        severity=Severity.ERROR,
        explanation=_(
            "%(name)s cannot be in the public DNS, because %(ending)s is reserved for other uses."
        )
        % {"name": name, "ending": ending},
        remedy=(_("Use a name in a domain that is registered to you."),),
    )
