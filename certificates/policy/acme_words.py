"""What is filled into the sentences about a CA's error: names, addresses and steps.

Whatever comes from the CA is checked for its form first, so that no hostile text gets through.
"""

from __future__ import annotations

from certificates.policy import refusal, refusal_details
from certificates.policy.acme_surroundings import Surroundings
from certificates.policy.ca_problem import CaProblem
from certificates.policy.validation_details import Reading

_IN_THE_DETAIL = "Wait until the time that is given in the technical detail, then try again."


def words_for(
    problem: CaProblem, subject: CaProblem, reading: Reading, surroundings: Surroundings
) -> dict[str, str]:
    """By the names of their places. ``subject`` is the part that explains ``problem``."""
    name = name_of(subject) or surroundings.hostname
    return {
        "ca": surroundings.ca_name,
        "name": name,
        "place": f"{name} ({reading.address})" if reading.address else name,
        "address": reading.address,
        "addresses": ", ".join(surroundings.addresses),
        "status": str(reading.status),
        "zone": refusal.subject_of(subject) or name,
        "caa_record": f"The CAA record of {reading.caa_at}" if reading.caa_at else "A CAA record",
        "port": str(surroundings.challenge_port),
        "open_port": surroundings.open_port,
        "own_firewall": surroundings.own_firewall,
        "provider": surroundings.provider,
        "all_sources": surroundings.all_sources,
        "unpause": _unpause_step(subject),
        "wait": _wait_step(problem),
    }


def name_of(problem: CaProblem) -> str:
    """The name that the error is about; empty unless it looks like one, since the CA wrote it."""
    named = (
        problem.identifier,
        *(sub.identifier for sub in problem.subproblems),
        refusal_details.name_in(problem),
        refusal.subject_of(problem),
    )
    return next((name for name in named if refusal.is_hostname(name)), "")


def _unpause_step(problem: CaProblem) -> str:
    """The CA's own page is the only way out, so its address is told as it is, if it is one."""
    link = refusal.link_in(problem)
    if not link:
        return "Follow the CA's instructions in the technical detail."
    return f"Open {link} in a browser, and end the pause there."


def _wait_step(problem: CaProblem) -> str:
    moment = refusal.said_moment(problem)
    return f"Wait until {moment:%Y-%m-%d %H:%M} UTC." if moment else _IN_THE_DETAIL
