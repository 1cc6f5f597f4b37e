"""Second block: what the public DNS says about each name, asked of the configured servers."""

from __future__ import annotations

import dataclasses
import enum
import ipaddress
import socket
from collections.abc import Sequence
from functools import partial

import dns.exception
import dns.nameserver
import dns.rcode
import dns.resolver
from django.utils.translation import gettext as _

from challenges.preflight import advice
from challenges.preflight.parallel import in_parallel
from challenges.preflight.surroundings import Address, Surroundings
from challenges.problems import Problem, Severity

# One question, all servers together. Lost datagrams are asked again within it.
LIFETIME = 4.0
PER_SERVER = 1.5
ALL_TOGETHER = 8.0
_TYPES = ("A", "AAAA")


class Failure(enum.Enum):
    """Why a question has no answer."""

    NO_SUCH_NAME = "NXDOMAIN"
    BROKEN = "SERVFAIL"
    SILENCE = "timeout"


@dataclasses.dataclass(frozen=True)
class Reply:
    """What the DNS says to one question."""

    addresses: tuple[Address, ...] = ()
    canonical_name: str = ""
    failure: Failure | None = None
    detail: str = ""


@dataclasses.dataclass(frozen=True)
class Lookup:
    """What the DNS says about one name: the replies for A and for AAAA."""

    name: str
    replies: tuple[Reply, ...]

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Every address of the name, IPv4 first."""
        return tuple(address for reply in self.replies for address in reply.addresses)

    @property
    def detail(self) -> str:
        """What was asked and answered, for an expert."""
        alias = next((r.canonical_name for r in self.replies if r.canonical_name), "")
        lines = [f"{self.name} is an alias of {alias}"] if alias not in {"", self.name} else []
        lines += [reply.detail for reply in self.replies if reply.detail]
        return "\n".join(dict.fromkeys(lines))


def look_up(names: Sequence[str], servers: Sequence[str]) -> list[Lookup]:
    """Ask for A and AAAA of every name at the same time."""
    if not names:
        return []
    resolver = _resolver(servers)
    if not resolver.nameservers:
        nobody = Reply(failure=Failure.SILENCE, detail="none of the servers has an address")
        return [Lookup(name, (nobody,)) for name in names]
    questions = [partial(_ask, resolver, name, kind) for name in names for kind in _TYPES]
    silence = Reply(failure=Failure.SILENCE, detail="no answer in time")
    replies = [reply or silence for reply in in_parallel(questions, seconds=ALL_TOGETHER)]
    return [
        Lookup(name, tuple(replies[number * 2 : number * 2 + 2]))
        for number, name in enumerate(names)
    ]


def findings(lookups: Sequence[Lookup], surroundings: Surroundings) -> list[Problem]:
    """What the replies mean. Silence about many names is one finding: it is about the servers."""
    problems = []
    silent = [lookup for lookup in lookups if _failure(lookup) is Failure.SILENCE]
    if silent:
        problems.append(_silence(silent, surroundings))
    for lookup in lookups:
        if lookup in silent:
            continue
        problem = judge(lookup, surroundings)
        if problem:
            problems.append(problem)
    return problems


def judge(lookup: Lookup, surroundings: Surroundings) -> Problem | None:
    """What is wrong with the records of one name."""
    failure = _failure(lookup)
    facts = {"name": lookup.name}
    if failure is Failure.BROKEN:
        return _broken(lookup)
    if failure is Failure.NO_SUCH_NAME:
        return Problem(
            code="dns-no-such-name",
            severity=Severity.ERROR,
            explanation=_("%(name)s does not exist in the public DNS.") % facts,
            remedy=(
                advice.point_the_name(lookup.name, surroundings),
                _("A new record can take some minutes to be seen everywhere; then try again."),
            ),
            detail=lookup.detail,
            retryable=True,
        )
    if not lookup.addresses:
        return Problem(
            code="dns-no-address",
            severity=Severity.ERROR,
            explanation=_("%(name)s has neither an A nor an AAAA record in the public DNS.")
            % facts,
            remedy=(advice.point_the_name(lookup.name, surroundings),),
            detail=lookup.detail,
            retryable=True,
        )
    if any(reply.failure for reply in lookup.replies):
        return Problem(
            code="dns-partly-broken",
            severity=Severity.WARNING,
            explanation=_("%(name)s has an address, but a part of its DNS records cannot be read.")
            % facts,
            remedy=(
                _("Ask whoever runs the DNS servers of the domain to answer for A and for AAAA."),
            ),
            detail=lookup.detail,
            retryable=True,
        )
    return None


def _failure(lookup: Lookup) -> Failure | None:
    """The failure that leaves the name without an address, the plainest of them."""
    if lookup.addresses:
        return None
    failures = {reply.failure for reply in lookup.replies}
    order = (Failure.NO_SUCH_NAME, Failure.BROKEN, Failure.SILENCE)
    return next((failure for failure in order if failure in failures), None)


def _broken(lookup: Lookup) -> Problem:
    return Problem(
        code="dns-server-failure",
        severity=Severity.ERROR,
        explanation=_("The DNS servers of %(name)s fail to answer.") % {"name": lookup.name},
        remedy=(
            _("Check that the domain's name servers run and that its DNSSEC signatures are valid."),
            _("If another company runs them, show them the technical detail below."),
        ),
        detail=lookup.detail,
        retryable=True,
    )


def _silence(lookups: Sequence[Lookup], surroundings: Surroundings) -> Problem:
    servers = ", ".join(surroundings.dns_servers)
    first = lookups[0].name
    return Problem(
        code="dns-timeout",
        severity=Severity.WARNING,
        explanation=_("The DNS servers %(servers)s did not answer for %(name)s in time.")
        % {"servers": servers, "name": first},
        remedy=(
            _("Let this machine send DNS requests (UDP and TCP port 53) to these servers,"),
            _("or name others in GATEWAY_ADMIN_DNS_SERVERS that know the public DNS."),
        ),
        detail="\n".join(lookup.detail or lookup.name for lookup in lookups[:10]),
        retryable=True,
    )


def _ask(resolver: dns.resolver.Resolver, name: str, kind: str) -> Reply:
    try:
        answer = resolver.resolve(
            f"{name}.", kind, raise_on_no_answer=False, lifetime=LIFETIME, search=False
        )
    except dns.resolver.NXDOMAIN as error:
        alias = error.canonical_name.to_text(omit_final_dot=True)
        return Reply((), alias, Failure.NO_SUCH_NAME, f"{name} {kind}: NXDOMAIN")
    except dns.resolver.LifetimeTimeout as error:
        return Reply(failure=Failure.SILENCE, detail=f"{name} {kind}: {error}")
    except dns.resolver.NoNameservers as error:
        # With an answer it is the name's own servers that fail, without one it is ours.
        answered = any(response for *_asked, response in error.kwargs.get("errors", ()))
        failure = Failure.BROKEN if answered else Failure.SILENCE
        return Reply(failure=failure, detail=f"{name} {kind}: {error}")
    except dns.exception.DNSException as error:
        return Reply(failure=Failure.BROKEN, detail=f"{name} {kind}: {error!r}")
    texts = [record.address for record in answer.rrset or ()]
    return Reply(
        tuple(ipaddress.ip_address(text) for text in texts),
        answer.canonical_name.to_text(omit_final_dot=True),
        detail=f"{name} {kind}: {', '.join(texts)}" if texts else "",
    )


def _resolver(servers: Sequence[str]) -> dns.resolver.Resolver:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [
        dns.nameserver.Do53Nameserver(*endpoint)
        for server in servers
        if (endpoint := endpoint_of(server))
    ]
    resolver.timeout = PER_SERVER
    return resolver


def endpoint_of(server: str) -> tuple[str, int] | None:
    """Address and port of ``host[:port]``; None when the host's own name cannot be resolved."""
    host, colon, port = server.rpartition(":")
    if not colon or "]" in port or (":" in host.strip("[]") and not host.endswith("]")):
        host, port = server, "53"
    host = host.strip("[]")
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)
    except (OSError, ValueError):
        return None
    return str(found[0][4][0]), int(port)
