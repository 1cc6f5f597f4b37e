"""The certificate authority's directory can be reached (RFC 8555 §7.1.1): what it means if not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from urllib.parse import urlsplit

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from challenges.preflight import clock
from challenges.preflight.directory_fetching import Answer, fetch
from challenges.preflight.directory_outcomes import Outcome
from challenges.preflight.parallel import in_parallel
from challenges.preflight.report import Established, Fact, Report, joined
from challenges.preflight.surroundings import Surroundings
from challenges.problems import Problem, Severity

ALL_TOGETHER = 10.0
# What may be over when the issuing asks, or what its greater patience overcomes.
_PASSING = frozenset(
    {
        Outcome.SILENT,
        Outcome.STATUS,
        Outcome.CUT_OFF,
        Outcome.NAME_UNANSWERED,
        Outcome.PROXY_SILENT,
    }
)
_OUR_OWN = frozenset(
    {Outcome.NOT_HTTPS, Outcome.NOT_A_DIRECTORY, Outcome.PROXY_UNUSABLE, Outcome.BUNDLE_UNREADABLE}
)
_EXPLANATIONS = {
    Outcome.NOT_HTTPS: gettext_noop(
        "The ACME server's address %(url)s does not begin with https://."
    ),
    Outcome.NAME_UNKNOWN: gettext_noop(
        "This machine cannot find the address of the certificate authority (%(host)s)."
    ),
    Outcome.NAME_UNANSWERED: gettext_noop(
        "This machine's own DNS servers gave no answer about the certificate authority (%(host)s)."
    ),
    Outcome.CUT_OFF: gettext_noop(
        "The connection to the certificate authority (%(host)s) was cut off in the middle."
    ),
    Outcome.REFUSED: gettext_noop(
        "The connection to the certificate authority (%(host)s) is refused."
    ),
    Outcome.NO_ROUTE: gettext_noop(
        "This machine has no way to the certificate authority (%(host)s)."
    ),
    Outcome.PROXY_UNUSABLE: gettext_noop(
        "The proxy %(proxy)s that is configured for %(host)s is of a kind that this program "
        "cannot use: only http:// and https:// proxies."
    ),
    Outcome.PROXY_UNREACHABLE: gettext_noop(
        "The proxy %(proxy)s that is configured for %(host)s cannot be reached."
    ),
    Outcome.PROXY_SILENT: gettext_noop(
        "The proxy %(proxy)s that is configured for %(host)s did not answer in time, or cut the "
        "connection off."
    ),
    Outcome.PROXY_REFUSES: gettext_noop(
        "The proxy %(proxy)s does not connect to the certificate authority (%(host)s): it "
        "answers “%(status)s”."
    ),
    Outcome.NOT_TRUSTED: gettext_noop(
        "What answers as %(host)s shows a certificate that “%(issuer)s” has issued, which this "
        "machine does not trust."
    ),
    Outcome.OTHER_SERVER: gettext_noop(
        "What answers as %(host)s shows a certificate for %(names)s, so it is another server."
    ),
    Outcome.CERTIFICATE_TIME: gettext_noop(
        "The certificate of %(host)s is valid from %(from)s to %(to)s, but this machine's "
        "clock shows %(now)s."
    ),
    Outcome.TLS_FAILED: gettext_noop(
        "No encrypted connection to the certificate authority (%(host)s) comes about: what "
        "answers there does not speak TLS as it should."
    ),
    Outcome.BUNDLE_UNREADABLE: gettext_noop(
        "The root certificates for %(host)s cannot be read from the configured file."
    ),
    Outcome.STATUS: gettext_noop(
        "The certificate authority (%(host)s) answers with an error: %(status)s."
    ),
    Outcome.NOT_A_DIRECTORY: gettext_noop("What %(host)s answers is not an ACME directory."),
    Outcome.SILENT: gettext_noop("The certificate authority (%(host)s) does not answer in time."),
}


def check(surroundings: Surroundings) -> Report:
    """Ask all directories at the same time; compare the clock with theirs once."""
    urls = tuple(dict.fromkeys(surroundings.directory_urls))
    answers = in_parallel(
        [
            partial(fetch, url, surroundings.ca_bundle, surroundings.proxies.get(url, ""))
            for url in urls
        ],
        seconds=ALL_TOGETHER,
    )
    pairs = [
        (url, answer or Answer(Outcome.SILENT)) for url, answer in zip(urls, answers, strict=True)
    ]
    found = [problem for url, answer in pairs if (problem := judge(url, answer, surroundings))]
    return joined(
        (Report(tuple(found), _reachable(pairs, surroundings)), _clock(pairs, surroundings))
    )


def judge(url: str, answer: Answer, surroundings: Surroundings) -> Problem | None:
    """What the answer means for the administrator."""
    if answer.outcome is Outcome.FOUND:
        return None
    shown = answer.shown
    facts = {
        "host": _host(url),
        "url": url,
        "proxy": _host(surroundings.proxies.get(url, "")),
        "status": answer.status,
        "issuer": shown.issuer if shown else "?",
        "names": shown.names if shown else "?",
        "from": clock.written(shown.not_before) if shown else "?",
        "to": clock.written(shown.not_after) if shown else "?",
        "now": clock.written(surroundings.now),
    }
    return Problem(
        code=f"directory-{answer.outcome.value}",
        severity=Severity.WARNING if _may_pass(answer) else Severity.ERROR,
        explanation=_(_EXPLANATIONS[answer.outcome]) % facts,
        remedy=tuple(step % facts for step in _steps(answer.outcome)),
        detail=f"{url}: {answer.detail}".rstrip(": "),
        retryable=answer.outcome not in _OUR_OWN,
    )


def _may_pass(answer: Answer) -> bool:
    # A proxy says 5xx when its own resolver or connection fails, not when it forbids.
    is_proxys_trouble = answer.outcome is Outcome.PROXY_REFUSES and answer.status.startswith("5")
    return answer.outcome in _PASSING or is_proxys_trouble


def _steps(outcome: Outcome) -> tuple[str, ...]:
    check_address = _("Check the ACME server's address in the configuration: %(url)s")
    let_through = _(
        "In every firewall and proxy, let this machine connect to %(host)s over HTTPS (TCP port "
        "443)."
    )
    exempt = _("If a firewall or proxy inspects HTTPS, exempt %(host)s from it.")
    check_proxy = _("Check HTTPS_PROXY and NO_PROXY in this program's environment.")
    return {
        Outcome.NOT_HTTPS: (check_address,),
        Outcome.NOT_A_DIRECTORY: (check_address,),
        Outcome.NAME_UNKNOWN: (
            _("Check this machine's own DNS servers: resolvectl status"),
            check_address,
        ),
        Outcome.NAME_UNANSWERED: (
            _("Try again: a moment later it is often well."),
            _("Check this machine's own DNS servers: resolvectl status"),
        ),
        Outcome.CUT_OFF: (
            _("Try again: a moment later it is often well."),
            exempt,
            let_through,
        ),
        Outcome.PROXY_SILENT: (
            _("Try again: a moment later it is often well."),
            check_proxy,
            let_through,
        ),
        Outcome.PROXY_UNUSABLE: (check_proxy,),
        Outcome.PROXY_UNREACHABLE: (check_proxy, let_through),
        Outcome.PROXY_REFUSES: (
            _("Have the proxy let this machine connect to %(host)s, port 443."),
            check_proxy,
        ),
        Outcome.NOT_TRUSTED: (
            exempt,
            _("For a CA of your own, name its root certificate in GATEWAY_ADMIN_ACME_CA_BUNDLE."),
        ),
        Outcome.OTHER_SERVER: (
            _("Look for a sign-in page of the network, or a proxy, that answers in its place."),
            exempt,
            _("Check this machine's own DNS servers: resolvectl status"),
        ),
        Outcome.CERTIFICATE_TIME: clock.remedy(),
        Outcome.TLS_FAILED: (exempt, let_through),
        Outcome.BUNDLE_UNREADABLE: (
            _("Correct GATEWAY_ADMIN_ACME_CA_BUNDLE, and let this program read the file."),
        ),
        Outcome.STATUS: (
            _("Try again later; see the CA's status page for known outages."),
            check_address,
        ),
        Outcome.NO_ROUTE: (
            _("Check this machine's network and its default route: ip route"),
            let_through,
        ),
    }.get(outcome, (let_through,))


def _reachable(
    pairs: Sequence[tuple[str, Answer]], surroundings: Surroundings
) -> tuple[Established, ...]:
    """Where every directory that was asked for is there."""
    if not pairs or any(answer.outcome is not Outcome.FOUND for _url, answer in pairs):
        return ()
    hosts = ", ".join(dict.fromkeys(_host(url) for url, _answer in pairs))
    proxies = ", ".join(
        dict.fromkeys(_host(proxy) for url, _a in pairs if (proxy := surroundings.proxies.get(url)))
    )
    facts = {"hosts": hosts, "proxies": proxies}
    sentence = (
        _("The certificate authority answers over HTTPS through the proxy %(proxies)s: %(hosts)s.")
        if proxies
        else _("The certificate authority answers over HTTPS: %(hosts)s.")
    )
    return (Established(Fact.CA_REACHABLE, sentence % facts),)


def _clock(pairs: Sequence[tuple[str, Answer]], surroundings: Surroundings) -> Report:
    for url, answer in pairs:
        if answer.date:
            return clock.compare(surroundings.now, answer.date, _host(url))
    return Report()


def _host(url: str) -> str:
    """Host and port, without what a URL may hold of passwords."""
    try:
        return urlsplit(url if "://" in url else f"//{url}").netloc.rpartition("@")[2]
    except ValueError:
        return "?"
