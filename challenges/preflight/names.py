"""First block: each name is of a kind that a public CA certifies. Asks nobody."""

from __future__ import annotations

from django.utils.translation import gettext as _

from challenges import domains, hostnames
from challenges.preflight import zone
from challenges.preflight.report import Established, Fact, Report
from challenges.preflight.surroundings import Surroundings
from challenges.problems import Problem, ProblemError, Severity

# RFC 6761 and its registry, RFC 6762 appendix G, RFC 8375, ICANN's reservation of .internal, and
# the names that ICANN will not delegate because private networks use them.
_SPECIAL = frozenset(
    "alt arpa corp example home internal intranet invalid lan local localdomain localhost mail "
    "onion private test".split()
)
_DOCUMENTATION = frozenset({"example.com", "example.net", "example.org"})
MOST_LABELS = 10  # of Let's Encrypt


def check(surroundings: Surroundings) -> Report:
    """The findings about the names themselves; without any, that they are usable."""
    is_played = surroundings.plays_the_internet
    others = not surroundings.asks_only_lets_encrypt
    findings = tuple(
        problem
        for name in surroundings.hostnames
        if (problem := judge(name, plays_the_internet=is_played, other_ca=others))
    )
    if findings or not surroundings.hostnames:
        return Report(findings)
    sentence = _("A certificate authority can certify names such as %(names)s.") % {
        "names": zone.names(surroundings.hostnames)
    }
    return Report((), (Established(Fact.NAMES_USABLE, sentence),))


def judge(name: str, *, plays_the_internet: bool, other_ca: bool = False) -> Problem | None:
    """What is wrong with one name; where the internet is played reserved names are the point.

    ``other_ca``: another CA than Let's Encrypt is asked, which may be one's own.
    """
    try:
        hostnames.normalise(name)
    except ProblemError as error:
        return error.problem
    labels = name.lower().split(".")
    if len(labels) > MOST_LABELS:
        return _too_many_labels(name, len(labels))
    if plays_the_internet:
        return None
    if labels[-1] in _SPECIAL:
        return _not_public(name, f".{labels[-1]}", other_ca=other_ca)
    if ".".join(labels[-2:]) in _DOCUMENTATION:
        return _not_public(name, ".".join(labels[-2:]), other_ca=other_ca)
    if domains.is_suffix(name.lower()):
        return _suffix(name)
    if not domains.has_known_ending(name.lower()):
        return _unknown_ending(name, labels[-1])
    return None


def _not_public(name: str, ending: str, *, other_ca: bool) -> Problem:
    registered = _("Use a name in a domain that is registered to you.")
    own = _("If the certificate authority is your own and finds this name, go on.")
    return Problem(
        code="hostname-not-public",
        severity=Severity.WARNING if other_ca else Severity.ERROR,
        explanation=_(
            "%(name)s cannot be in the public DNS, because %(ending)s is reserved for other uses."
        )
        % {"name": name, "ending": ending},
        remedy=(registered, own) if other_ca else (registered,),
    )


def _suffix(name: str) -> Problem:
    return Problem(
        code="hostname-public-suffix",
        severity=Severity.ERROR,
        explanation=_(
            "%(name)s is an ending under which everybody can register names, and certificate "
            "authorities certify no such ending."
        )
        % {"name": name},
        remedy=(
            _("Use a name in a domain that is registered to you, such as mail.yours.%(name)s.")
            % {"name": name},
        ),
    )


def _unknown_ending(name: str, ending: str) -> Problem:
    """The list is as old as this version, and new endings come into being."""
    return Problem(
        code="hostname-unknown-ending",
        severity=Severity.WARNING,
        explanation=_("%(name)s ends with .%(ending)s, which is not known as a public ending.")
        % {"name": name, "ending": ending},
        remedy=(
            _("Check the name for a mistake in its last part, .%(ending)s.") % {"ending": ending},
            _("If the ending is new in the public DNS, go on: the staging test knows."),
        ),
    )


def _too_many_labels(name: str, count: int) -> Problem:
    return Problem(
        code="hostname-too-many-parts",
        severity=Severity.WARNING,
        explanation=_(
            "%(name)s has %(count)d parts between its dots, and Let's Encrypt certifies names of "
            "at most %(most)d."
        )
        % {"name": name, "count": count, "most": MOST_LABELS},
        remedy=(_("Use a shorter name, and make it a CNAME record of this one if need be."),),
    )
