"""What has been found out about names in the DNS, and what it means.

Asks nobody, but looks at this machine's own addresses.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from django.utils.translation import gettext as _

from challenges.preflight import addresses, caa_findings, public_dns, zone
from challenges.preflight.lookups import Lookup
from challenges.preflight.report import Established, Fact, Report
from challenges.preflight.resolving import Reply
from challenges.preflight.surroundings import Surroundings
from challenges.problems import Problem, Severity

# By a server's name, what it says of the CAA records of a name and of those above it.
CaaReplies = Mapping[str, Mapping[str, Reply]]


@dataclasses.dataclass(frozen=True)
class Found:
    """Look-ups, the aliases that were followed by hand, and each name's CAA records.

    ``stale`` are the findings about servers that only remember what is no longer so.
    """

    lookups: tuple[Lookup, ...]
    chains: Mapping[str, tuple[str, ...]]
    caa: Mapping[str, CaaReplies]
    stale: tuple[Problem, ...] = ()

    def report(self, surroundings: Surroundings) -> Report:
        """All findings; beside a memory nothing is established."""
        report = self._of_records(surroundings) + caa_findings.check(self.said, surroundings)
        if not self.stale:
            return report
        return Report((*self.stale, *report.findings))

    @property
    def said(self) -> dict[str, caa_findings.Said]:
        """The CAA records by those servers that know an address of the name, if any of them does.

        Of a name without an address there is enough to say already.
        """
        return {
            lookup.name: _of_knowing(lookup, self.caa[lookup.name])
            for lookup in self.lookups
            if lookup.addresses
        }

    def of_name(self, lookup: Lookup, surroundings: Surroundings) -> list[Problem]:
        """What is wrong with the records of one name, if any server says anything of it."""
        if not any(view.is_known for view in lookup.views):
            return []
        problem = public_dns.judge(lookup, surroundings, self.chains.get(lookup.name, ()))
        return [*([problem] if problem else []), *addresses.judge(lookup, surroundings)]

    def _of_records(self, surroundings: Surroundings) -> Report:
        findings = [
            problem for lookup in self.lookups for problem in self.of_name(lookup, surroundings)
        ]
        is_right = (
            bool(self.lookups)
            and all(addresses.reachable(lookup, surroundings) for lookup in self.lookups)
            and all(finding.severity is Severity.INFO for finding in findings)
        )
        established = (Established(Fact.DNS_PUBLIC, _right(self.lookups)),) if is_right else ()
        return Report(tuple(findings), established)


def _of_knowing(lookup: Lookup, replies: CaaReplies) -> caa_findings.Said:
    knowing = {view.server for view in lookup.views if view.addresses}
    return [replies[server] for server in replies if server in knowing] or [*replies.values()]


def _right(lookups: Sequence[Lookup]) -> str:
    said = [
        _("%(name)s has the address %(addresses)s")
        % {"name": lookup.name, "addresses": zone.written(lookup.addresses)}
        for lookup in lookups
    ]
    return _("In the public DNS %(said)s.") % {"said": zone.names(said)}
