"""What becomes of certbot's certificates here: which are renewed, and what their owner is told."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from challenges.problems import Problem, Severity

LEAVE_ON = "Leave certbot's timer on until then."


@dataclasses.dataclass(frozen=True, slots=True)
class Taken:
    """A lineage that is here, and the gateway that has it.

    ``is_renewed``: the gateway's certificate in use is renewed automatically. ``missing`` are the
    lineage's names that the gateway does not have; ``follows`` the file that the gateway follows,
    or nothing; ``is_ours`` says that the lineage comes from the CA that this console asks;
    ``was_asked`` that it was to be used if it could.
    """

    gateway: str
    missing: tuple[str, ...]
    is_ours: bool
    uses_lets_encrypt: bool
    is_renewed: bool
    follows: str = ""
    was_asked: bool = False


def why_not_renewed(taken: Taken) -> Problem | None:
    """Why this console does not renew what the lineage is for; None when it does."""
    name = taken.gateway
    again = (
        "Or run the command again with --select: then this console renews it, and no files are "
        "followed any more."
    )
    if taken.follows:
        return _problem(
            f"The gateway {name} goes on following {taken.follows}, so this console does not "
            "renew its certificate itself.",
            "Leave certbot's timer on if these are certbot's files.",
            *([again] if taken.is_ours and not taken.was_asked else []),
        )
    if not taken.uses_lets_encrypt and not taken.is_ours:
        return _problem(
            "It comes from another CA than the one that this console asks, so it is not renewed "
            f"here; the certificate source of {name} is Manual.",
            "Leave certbot's timer on, and have the gateway follow certbot's files.",
            "Or press “Return to Let's Encrypt” on the gateway's page, which obtains a new one.",
        )
    if not taken.uses_lets_encrypt:
        return _problem(
            f"The certificate source of {name} is Manual, so nothing renews its certificate here.",
            "Press “Return to Let's Encrypt” on the gateway's page"
            f"{'' if taken.was_asked else ', or run the command again with --select'}. {LEAVE_ON}",
        )
    if not taken.is_renewed:
        return _problem(
            f"The gateway {name} uses no certificate that this console could renew.",
            f"Press “Test and obtain certificate” on its page. {LEAVE_ON}",
        )
    if taken.missing:
        return _problem(
            f"What this console renews for {name} does not hold {', '.join(taken.missing)}.",
            f"Add what is needed to the gateway's hostnames. {LEAVE_ON}",
        )
    return None


def goes_on(kept_by_certbot: Sequence[str]) -> Problem:
    """What to do about certbot's own renewals, which go on.

    ``kept_by_certbot`` are the lineages of its directory that are not known to be renewed here:
    while there is any, ending certbot's renewals would let it expire.
    """
    if kept_by_certbot:
        named = ", ".join(kept_by_certbot)
        return Problem(
            code="certbot-goes-on",
            severity=Severity.INFO,
            explanation=(
                "Certbot has not been changed, so it goes on renewing on its own. Not renewed "
                f"here: {named}."
            ),
            remedy=("Leave certbot.timer on, or these expire unless something else renews them.",),
        )
    return Problem(
        code="certbot-goes-on",
        severity=Severity.INFO,
        explanation=(
            "Certbot has not been changed, so it goes on renewing these certificates on its own."
        ),
        remedy=(
            "Once a renewal here has succeeded, run: sudo systemctl disable --now certbot.timer",
            "Let the mail services read the files in live/ of the data directory.",
        ),
    )


def no_longer_followed(gateway: str, path: str) -> Problem:
    """With --select the console renews what another tool did."""
    return Problem(
        code="certbot-no-longer-followed",
        severity=Severity.INFO,
        explanation=(
            f"The gateway {gateway} no longer follows {path}, because this console renews its "
            "certificate from now on."
        ),
    )


def wildcard_not_renewed(lineage: str, wildcards: Sequence[str]) -> Problem:
    """Its control cannot be proven over HTTP."""
    return Problem(
        code="wildcard-not-renewed",
        severity=Severity.WARNING,
        explanation=(
            f"The certificate {lineage} is for {', '.join(wildcards)} as well, "
            "which cannot be had over HTTP, so this console does not renew it."
        ),
        remedy=(
            "Obtain a certificate for the gateway's own names here before this one expires.",
            "Or let certbot go on renewing it, and have the gateway follow its files.",
        ),
    )


def account_kept(server: str) -> Problem:
    """Orders belong to the account that made them."""
    return Problem(
        code="certbot-account-not-needed",
        severity=Severity.INFO,
        explanation=(
            f"This console has an account at {server} already and goes on with that; certbot's "
            "was not taken over."
        ),
    )


def one_only(directory: str, lineages: Sequence[str]) -> Problem:
    """Which of them the named gateway is to get."""
    return Problem(
        code="certbot-several-lineages",
        severity=Severity.ERROR,
        explanation=f"{directory} holds {len(lineages)} certificates, and one gateway is named.",
        remedy=("Choose the certificate for this gateway by --lineage NAME.",),
        detail=", ".join(lineages),
    )


def only_wildcards(lineage: str) -> Problem:
    """No gateway can be made of it."""
    return Problem(
        code="certbot-only-wildcards",
        severity=Severity.ERROR,
        explanation=(
            f"Certbot's certificate {lineage} is for wildcards alone, so it does not say how its "
            "gateway is called."
        ),
        remedy=(
            "Make the gateway first: manage.py configure --gateway SLUG --hostname NAME",
            f"Then name both: --gateway SLUG --lineage {lineage}",
        ),
    )


def about(lineage: str, cause: Problem) -> Problem:
    """The same, said of one lineage of several."""
    return dataclasses.replace(
        cause, explanation=f"Certbot's certificate {lineage}: {cause.explanation}"
    )


def _problem(explanation: str, *steps: str) -> Problem:
    return Problem(
        code="certbot-not-renewed-here",
        severity=Severity.WARNING,
        explanation=explanation,
        remedy=steps,
    )
