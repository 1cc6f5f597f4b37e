"""What is said when something else than this gateway answers on port 80 of a public address."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from challenges.ports import HTTP_PORT
from challenges.preflight import advice
from challenges.preflight.advice import Asked
from challenges.preflight.classify import Kind, Seen
from challenges.preflight.surroundings import Surroundings
from challenges.problems import Problem, Severity

_EXPLANATIONS = {
    Kind.WRONG_TOKEN: gettext_noop(
        "What comes back for %(names)s at %(address)s, port %(port)d, is not exactly this "
        "gateway's answer: something in between changes it, or answers itself."
    ),
    Kind.OTHER_CONSOLE: gettext_noop(
        "For %(names)s at %(address)s, port %(port)d, a challenge port answers, but not the "
        "one of this console: it does not know what was published here."
    ),
    Kind.DATABASE_AWAY: gettext_noop(
        "For %(names)s at %(address)s, port %(port)d, a challenge service answers that it cannot "
        "ask its database, so it knows no new token."
    ),
    Kind.CONSOLE: gettext_noop(
        "Port %(port)d of %(address)s (%(names)s) leads to a console's web pages, not to the "
        "challenge port %(challenge_port)d."
    ),
    Kind.TO_HTTPS: gettext_noop(
        "For %(names)s at %(address)s, port %(port)d redirects to %(what)s. Let's Encrypt "
        "follows to port 443 of the same name, whatever certificate is there, and has to get "
        "the token from that port."
    ),
    Kind.REDIRECTS: gettext_noop(
        "For %(names)s at %(address)s, port %(port)d redirects to %(what)s, where this gateway "
        "may not be the one that answers."
    ),
    Kind.CAPTIVE: gettext_noop(
        "For %(names)s at %(address)s, port %(port)d, a sign-in page answers (%(what)s): either "
        "the network lets nobody out who has not signed in, or the port leads to that page."
    ),
    Kind.CDN: gettext_noop(
        "%(names)s leads to %(what)s at %(address)s, which answers in place of this gateway."
    ),
    Kind.BLOCKED: gettext_noop(
        "For %(names)s at %(address)s, port %(port)d, a protection against robots (%(what)s) "
        "refuses the request, and may refuse Let's Encrypt's as well."
    ),
    Kind.ROUTER: gettext_noop(
        "Port %(port)d of %(address)s (%(names)s) is answered by the web page of a router or "
        "another device: %(what)s."
    ),
    Kind.NOT_FOUND: gettext_noop(
        "For %(names)s at %(address)s, port %(port)d, a web server (%(what)s) answers that it "
        "does not know the token (404)."
    ),
    Kind.PASSWORD: gettext_noop(
        "For %(names)s at %(address)s, port %(port)d, a web server (%(what)s) asks for a "
        "password, which Let's Encrypt does not have."
    ),
    Kind.SERVER_ERROR: gettext_noop(
        "For %(names)s at %(address)s, port %(port)d, a web server or proxy (%(what)s) answers "
        "with an error of its own."
    ),
    Kind.SPEAKS_TLS: gettext_noop(
        "Port %(port)d of %(address)s (%(names)s) leads to a port that expects HTTPS, but "
        "Let's Encrypt speaks plain HTTP there."
    ),
    Kind.NOT_HTTP: gettext_noop(
        "Port %(port)d of %(address)s (%(names)s) is answered by something that is no web "
        "server: “%(what)s”."
    ),
    Kind.OTHER: gettext_noop(
        "For %(names)s at %(address)s, port %(port)d, another web server answers than this "
        "gateway: %(what)s."
    ),
}


def problem(
    asked: Asked, seen: Seen, detail: str, surroundings: Surroundings, host: str = ""
) -> Problem:
    """The finding. A warning at most: from elsewhere another one may answer.

    ``host`` is the other machine on which the challenge service runs.
    """
    facts = {
        "names": asked.names,
        "address": asked.address,
        "port": HTTP_PORT,
        "what": seen.what,
        "challenge_port": surroundings.challenge_port,
    }
    return Problem(
        code=f"public-port-{seen.kind.value}",
        severity=_severity(seen.kind, surroundings),
        explanation=_(_EXPLANATIONS[seen.kind]) % facts,
        remedy=(
            *(step % facts for step in _steps(seen.kind, surroundings, host)),
            *advice.or_another_address(asked, surroundings),
            *advice.after_ipv6(asked),
        ),
        detail=detail,
    )


def _severity(kind: Kind, surroundings: Surroundings) -> Severity:
    # Without hairpin NAT that is what a right rule looks like from inside.
    is_usual = kind is Kind.ROUTER and surroundings.is_behind_router
    return Severity.INFO if is_usual else Severity.WARNING


def _steps(kind: Kind, surroundings: Surroundings, host: str) -> tuple[str, ...]:
    """The steps; placeholders as in the explanations."""
    open_port = _literal(advice.open_the_port(surroundings, host))
    through = _literal(advice.let_the_path_through(surroundings, host))
    only_inside = _(
        "If the rule is there, go on: many routers show their own page to whoever comes from "
        "inside, while the rule works from outside. Which it is cannot be known from here."
    )
    return {
        Kind.WRONG_TOKEN: (
            _("Look for a proxy, a cache or another ACME client that answers these paths itself."),
            through,
        ),
        Kind.DATABASE_AWAY: (
            _("Wait some seconds, then try again."),
            _(
                "If it stays so, see that the database of the challenge service is well; its log "
                "says what it is told."
            ),
            open_port,
        ),
        Kind.TO_HTTPS: (
            through,
            _("Or make sure that TCP port 443 leads to a server that passes on these paths, too."),
        ),
        Kind.REDIRECTS: (through, open_port),
        Kind.CAPTIVE: (
            _(
                "If this machine has to sign in to reach the internet, have it exempted from the "
                "network's sign-in page."
            ),
            open_port,
        ),
        Kind.CDN: (
            _("At %(what)s, switch the proxy off for %(names)s, so that the DNS only points here."),
            through,
        ),
        Kind.BLOCKED: (
            _("Exempt paths that begin with /.well-known/acme-challenge/ from the protection."),
            through,
        ),
        Kind.ROUTER: (open_port, only_inside) if surroundings.is_behind_router else (open_port,),
        Kind.NOT_FOUND: (open_port, through),
        Kind.PASSWORD: (open_port, through),
        Kind.SERVER_ERROR: (through, open_port),
    }.get(kind, (open_port, through))


def _literal(text: str) -> str:
    """For a text that is filled in already, among others that are not."""
    return text.replace("%", "%%")
