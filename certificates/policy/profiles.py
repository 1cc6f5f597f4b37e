"""What the CA's certificate profiles mean for a mail gateway (draft-aaron-acme-profiles).

Which profiles there are is told by the CA's directory; without a choice the CA takes its own
default, and that stays so here, because old mail software may need what the newer ones leave out.
"""

from __future__ import annotations

import dataclasses

from challenges.problems import Problem, Severity

CLASSIC = "classic"
# What a CA of an unknown profile takes is not known; this is the most that the console offers.
MOST_NAMES = 100


@dataclasses.dataclass(frozen=True, slots=True)
class ProfileFacts:
    """A profile for people. ``name`` is the CA's word for it."""

    name: str
    label: str
    explanation: str
    most_names: int = MOST_NAMES


_KNOWN = {
    facts.name: facts
    for facts in (
        ProfileFacts(
            CLASSIC,
            "Classic",
            "The usual choice, which every mail program understands. Certificates are valid for "
            "90 days, from 10 February 2027 for 64 and from 16 February 2028 for 45; they hold up "
            "to 100 names, repeat the first in the common name, and those with an RSA key allow "
            "key encipherment.",
        ),
        ProfileFacts(
            "tlsserver",
            "TLS server",
            "For gateways whose peers are all of recent years. Certificates are valid for "
            "45 days and hold up to 25 names, no common name and no key encipherment, which very "
            "old mail programs may miss.",
            25,
        ),
        ProfileFacts(
            "shortlived",
            "Short-lived",
            "For gateways that are watched closely. Certificates are valid for about six days, "
            "so a stolen key is soon of no use, but a fault has to be mended within three days. "
            "They hold up to 25 names, no common name and no key encipherment.",
            25,
        ),
    )
}


def describe(name: str, ca_text: str = "") -> ProfileFacts:
    """What is known of the profile; of an unknown one, what the CA's directory says of it.

    ``ca_text`` is another party's text: shown as text, never as markup.
    """
    if name in _KNOWN:
        return _KNOWN[name]
    explanation = ca_text or "The CA offers this profile and does not describe it."
    return ProfileFacts(name, name, explanation)


def why_not(profile: str, names_count: int) -> Problem | None:
    """Why a certificate with so many names cannot be of that profile; None when it can.

    An empty ``profile`` is the CA's default.
    """
    facts = describe(profile or CLASSIC)
    if names_count <= facts.most_names:
        return None
    return Problem(
        code="too-many-names-for-profile",
        severity=Severity.ERROR,
        explanation=(
            f"The profile {facts.label} holds at most {facts.most_names} names, and this gateway "
            f"has {names_count}."
        ),
        remedy=(
            "Remove additional hostnames, or set up another gateway for some of them.",
            f"Or choose the profile {_KNOWN[CLASSIC].label}, which holds {MOST_NAMES}.",
        ),
    )
