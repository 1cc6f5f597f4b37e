"""What the replies of the public DNS servers mean for a name.

Asks nobody, but looks at this machine's own addresses for what a record should say.

An error only where the servers agree, since a CA asks from elsewhere and sees the same then.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from challenges.domains import registered_domain
from challenges.preflight import aliases, zone
from challenges.preflight.lookups import Lookup
from challenges.preflight.resolving import Failure
from challenges.preflight.surroundings import Surroundings
from challenges.problems import Problem, Severity

Chain = tuple[str, ...]


def judge(lookup: Lookup, surroundings: Surroundings, chain: Chain = ()) -> Problem | None:
    """What is wrong with the records of one name that at least one server knows.

    ``chain`` are the aliases that were followed by hand, one by one, when no server would.
    """
    views = [view for view in lookup.views if view.is_known]
    if not any(view.addresses for view in views):
        return _without_address(lookup, surroundings, chain)
    return _disagreement(lookup, views) or _partly_broken(lookup)


def _without_address(lookup: Lookup, surroundings: Surroundings, chain: Chain) -> Problem:
    views = [view for view in lookup.views if view.is_known]
    failures = {view.failure for view in views}
    if Failure.BOGUS in failures:
        return _bogus(lookup, _severity(lookup))
    if Failure.BROKEN in failures:
        return _broken(lookup, chain)
    followed = max((view.aliases for view in views), key=len)
    if followed:
        return _dangling(lookup, followed, surroundings)
    return _missing(lookup, surroundings, exists=None in failures)


def _severity(lookup: Lookup) -> Severity:
    """Certain where enough of the servers have said anything."""
    views = lookup.views
    is_certain = 2 * sum(view.is_known for view in views) >= len(views)
    return Severity.ERROR if is_certain else Severity.WARNING


def _missing(lookup: Lookup, surroundings: Surroundings, *, exists: bool) -> Problem:
    code, explanation = (
        ("dns-no-address", _("%(name)s has neither an A nor an AAAA record in the public DNS."))
        if exists
        else ("dns-no-such-name", _("%(name)s does not exist in the public DNS."))
    )
    return Problem(
        code=code,
        severity=_severity(lookup),
        explanation=explanation % {"name": lookup.name},
        remedy=(zone.address_record(lookup.name, surroundings), zone.wait(lookup.ttl)),
        detail=lookup.detail,
        retryable=True,
    )


def _dangling(lookup: Lookup, chain: Chain, surroundings: Surroundings) -> Problem:
    facts = {"name": lookup.name, "target": chain[-1], "zone": registered_domain(lookup.name)}
    return Problem(
        code="dns-alias-target-missing",
        severity=_severity(lookup),
        explanation=_(
            "%(name)s is an alias (CNAME) of %(target)s, and %(target)s has no address in the "
            "public DNS."
        )
        % facts,
        remedy=(
            zone.address_record(chain[-1], surroundings),
            _("Or let the CNAME record of %(name)s point to a name that has an address.") % facts,
            zone.wait(lookup.ttl),
        ),
        detail=lookup.detail,
        retryable=True,
    )


def _bogus(lookup: Lookup, severity: Severity) -> Problem:
    facts = {"name": lookup.name, "zone": registered_domain(lookup.name)}
    return Problem(
        code="dns-dnssec-invalid",
        severity=severity,
        explanation=_(
            "The DNSSEC signatures of %(name)s are not valid, so DNS servers that check them, "
            "as Let's Encrypt's do, give no answer."
        )
        % facts,
        remedy=(
            _(
                "At the registrar of %(zone)s, compare the DS records with the keys of the zone; "
                "after a move to another DNS company the old DS records must go."
            )
            % facts,
            _("Or let the company that runs the DNS of %(zone)s sign the zone again.") % facts,
            zone.wait(lookup.ttl),
        ),
        detail=lookup.detail,
        retryable=True,
    )


def _broken(lookup: Lookup, chain: Chain) -> Problem:
    if chain and chain[-1] in {lookup.name, *chain[:-1]}:
        return _loop(lookup, chain)
    if len(chain) > aliases.MOST:
        return _chain_too_long(lookup, chain)
    facts = {"name": lookup.name, "zone": registered_domain(lookup.name)}
    return Problem(
        code="dns-server-failure",
        severity=_severity(lookup),
        explanation=_("The DNS servers of %(name)s fail to answer.") % facts,
        remedy=(
            _("Check that the name servers of %(zone)s run and know the zone.") % facts,
            _("If another company runs them, show them the technical detail below."),
        ),
        detail=lookup.detail,
        retryable=True,
    )


def _loop(lookup: Lookup, chain: Chain) -> Problem:
    way = " → ".join((lookup.name, *chain))
    return Problem(
        code="dns-alias-loop",
        severity=_severity(lookup),
        explanation=_("The aliases (CNAME) of %(name)s lead in a circle: %(chain)s.")
        % {"name": lookup.name, "chain": way},
        remedy=(
            _(
                "In the public DNS, replace the CNAME record of %(name)s by one that points to a "
                "name with an address, or by an A record."
            )
            % {"name": chain[-1]},
        ),
        detail=f"{way}\n{lookup.detail}",
        retryable=True,
    )


def _chain_too_long(lookup: Lookup, chain: Chain) -> Problem:
    return Problem(
        code="dns-alias-chain-long",
        severity=_severity(lookup),
        explanation=_(
            "%(name)s stands behind more than %(most)d aliases (CNAME), and DNS servers give up."
        )
        % {"name": lookup.name, "most": aliases.MOST},
        remedy=(
            _("In the public DNS, let the CNAME record of %(name)s point to the last name itself.")
            % {"name": lookup.name},
        ),
        detail="\n".join((" → ".join((lookup.name, *chain)), lookup.detail)),
        retryable=True,
    )


def _disagreement(lookup: Lookup, views: Sequence[Lookup]) -> Problem | None:
    """Some servers know addresses: whether the others know the same."""
    others = [view for view in views if not view.addresses]
    if any(view.failure is Failure.BOGUS for view in others):
        return _bogus(lookup, Severity.WARNING)
    if not others and len({frozenset(view.addresses) for view in views}) == 1:
        return None
    said = "; ".join(
        _("%(server)s: %(what)s") % {"server": view.server, "what": zone.said(view)}
        for view in views
    )
    return Problem(
        code="dns-servers-differ",
        severity=Severity.WARNING,
        explanation=_(
            "The public DNS servers do not agree on %(name)s (%(said)s), so Let's Encrypt may "
            "see the one or the other."
        )
        % {"name": lookup.name, "said": said},
        remedy=(
            zone.wait(lookup.ttl),
            _("If it stays so, let the name servers of %(zone)s all have the same records.")
            % {"zone": registered_domain(lookup.name)},
        ),
        detail=lookup.detail,
        retryable=True,
    )


def _partly_broken(lookup: Lookup) -> Problem | None:
    unread = {
        reply.kind
        for reply in lookup.replies
        if reply.failure in {Failure.BROKEN, Failure.BOGUS, Failure.SILENCE}
        and any(view.addresses for view in lookup.views if view.server == reply.server)
    }
    if not unread:
        return None
    return Problem(
        code="dns-partly-broken",
        severity=Severity.WARNING,
        explanation=_("%(name)s has an address, but its %(kinds)s records cannot be read.")
        % {"name": lookup.name, "kinds": ", ".join(sorted(unread))},
        remedy=(
            _(
                "Let the name servers of %(zone)s answer for A and for AAAA, also when there is "
                "none."
            )
            % {"zone": registered_domain(lookup.name)},
        ),
        detail=lookup.detail,
        retryable=True,
    )
