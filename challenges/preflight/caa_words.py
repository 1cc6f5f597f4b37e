"""The sentences about CAA records, each with the record that mends it. Asks nobody."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from django.utils.translation import gettext as _

from challenges.domains import registered_domain
from challenges.preflight import caa, zone
from challenges.preflight.caa import Verdict
from challenges.preflight.surroundings import Surroundings
from challenges.problems import Problem, Severity


@dataclasses.dataclass(frozen=True)
class Group:
    """Names of which the same is to be said, because of the same records."""

    names: tuple[str, ...]
    at: str
    severity: Severity
    detail: str


_Words = tuple[str, str, tuple[str, ...]]  # code, explanation, remedy


def problem(verdict: Verdict | None, group: Group, surroundings: Surroundings) -> Problem:
    """What to say when the records mean this for the group; no verdict: they cannot be read."""
    make = _MAKERS[verdict] if verdict else _unreadable
    code, explanation, remedy = make(group, surroundings)
    return Problem(
        code=code,
        severity=group.severity,
        explanation=explanation,
        remedy=remedy,
        detail=group.detail,
        retryable=verdict is None,
    )


def _facts(group: Group, surroundings: Surroundings) -> dict[str, str]:
    return {
        "at": group.at,
        "names": zone.names(group.names),
        "ca": surroundings.caa_identities[0],
        "accounts": ", ".join(surroundings.account_uris),
    }


def _add(group: Group, value: str) -> str:
    return _(
        "At the company that runs the public DNS of %(zone)s, add this record: name %(at)s, "
        "type CAA, value %(value)s"
    ) % {"zone": registered_domain(group.at), "at": group.at, "value": f'0 issue "{value}"'}


def _others_only(group: Group, surroundings: Surroundings) -> _Words:
    facts = _facts(group, surroundings)
    return (
        "caa-forbids",
        _("The CAA records of %(at)s do not let %(ca)s issue certificates for %(names)s.") % facts,
        (
            _add(group, facts["ca"]),
            _("Leave the records of the other certificate authorities as they are."),
        ),
    )


def _critical(group: Group, surroundings: Surroundings) -> _Words:
    return (
        "caa-critical",
        _(
            "A CAA record of %(at)s is marked as critical and of a kind that %(ca)s does not "
            "know, so it issues nothing for %(names)s."
        )
        % _facts(group, surroundings),
        (
            _(
                "In the public DNS, look at the CAA records of %(at)s whose number is not 0: "
                "correct the word after it (issue, issuewild, iodef), or put 0 in place of it."
            )
            % {"at": group.at},
        ),
    )


def _malformed(group: Group, surroundings: Surroundings) -> _Words:
    facts = _facts(group, surroundings)
    return (
        "caa-malformed",
        _(
            "A CAA record of %(at)s names %(ca)s, but what follows the name is malformed, so the "
            "record does not count and nothing is issued for %(names)s."
        )
        % facts,
        (
            _add(group, facts["ca"]),
            _("Delete the malformed record, which the technical detail shows."),
        ),
    )


def _method(group: Group, surroundings: Surroundings) -> _Words:
    facts = _facts(group, surroundings)
    return (
        "caa-method",
        _(
            "The CAA records of %(at)s let %(ca)s issue for %(names)s only by other ways than "
            "HTTP-01 (validationmethods), which is the one that this gateway uses."
        )
        % facts,
        (_add(group, f"{facts['ca']}; validationmethods={caa.METHOD}"),),
    )


def _account(group: Group, surroundings: Surroundings) -> _Words:
    facts = _facts(group, surroundings)
    return (
        "caa-account",
        _(
            "The CAA records of %(at)s let only another account (accounturi) obtain certificates "
            "for %(names)s from %(ca)s."
        )
        % facts,
        _own_accounts(group, surroundings),
    )


def _account_partly(group: Group, surroundings: Surroundings) -> _Words:
    return (
        "caa-account-partly",
        _(
            "The CAA records of %(at)s allow only some of this gateway's accounts (%(accounts)s) "
            "for %(names)s; the staging test and the real certificate use different ones."
        )
        % _facts(group, surroundings),
        _own_accounts(group, surroundings),
    )


def _account_unknown(group: Group, surroundings: Surroundings) -> _Words:
    facts = _facts(group, surroundings)
    return (
        "caa-account-unknown",
        _(
            "The CAA records of %(at)s let only one account (accounturi) obtain certificates for "
            "%(names)s from %(ca)s, and this gateway has no account yet."
        )
        % facts,
        (
            _add(group, facts["ca"]),
            _("Once the gateway has its accounts, their addresses can be added as accounturi."),
        ),
    )


def _own_accounts(group: Group, surroundings: Surroundings) -> tuple[str, ...]:
    ca = surroundings.caa_identities[0]
    return tuple(_add(group, f"{ca}; accounturi={uri}") for uri in surroundings.account_uris)


def _spelling(group: Group, surroundings: Surroundings) -> _Words:
    facts = _facts(group, surroundings)
    return (
        "caa-spelling",
        _(
            "Whether the CAA records of %(at)s let %(ca)s issue for %(names)s depends on how "
            "capital letters and a last dot are taken, and Let's Encrypt compares every letter."
        )
        % facts,
        (
            _("In the CAA records of %(at)s, write %(ca)s and the words after it in small letters.")
            % facts,
        ),
    )


def _unreadable(group: Group, surroundings: Surroundings) -> _Words:
    facts = _facts(group, surroundings) | {"zone": registered_domain(group.at)}
    return (
        "caa-unreadable",
        _(
            "The name servers of %(at)s give no answer about its CAA records, and as long as they "
            "do not, no certificate authority issues for %(names)s."
        )
        % facts,
        (
            _(
                "Ask the company that runs the public DNS of %(zone)s to answer requests of type "
                "CAA, at least with an empty answer; old DNS software often does not."
            )
            % facts,
        ),
    )


_MAKERS: dict[Verdict, Callable[[Group, Surroundings], _Words]] = {
    Verdict.OTHERS_ONLY: _others_only,
    Verdict.CRITICAL: _critical,
    Verdict.MALFORMED: _malformed,
    Verdict.METHOD: _method,
    Verdict.ACCOUNT: _account,
    Verdict.ACCOUNT_PARTLY: _account_partly,
    Verdict.ACCOUNT_UNKNOWN: _account_unknown,
    Verdict.SPELLING: _spelling,
}
