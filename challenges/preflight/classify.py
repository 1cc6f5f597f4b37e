"""What it is that answers on port 80 instead of this gateway, by its answer. Asks nobody.

All that is quoted comes from a stranger: short, printable, and never more than a text.
"""

from __future__ import annotations

import dataclasses
import enum
import html
import re
from http import HTTPStatus
from urllib.parse import urlsplit

from challenges import answering
from challenges.preflight.fetching import Answer, Outcome
from challenges.problems import legible

_QUOTED = 60  # characters
_TITLE = re.compile(rb"<title[^>]*>([^<]{1,200})", re.IGNORECASE)
_REALM = re.compile(r'realm="?([^",]+)', re.IGNORECASE)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SIGN_IN = "/sign-in/"
_HTTPS_PORTS = frozenset({None, 443})


class Kind(enum.Enum):
    """Who answered. The values are the ends of the findings' codes."""

    OURS = "ours"
    WRONG_TOKEN = "wrong-token"  # noqa: S105 - no secret
    OTHER_CONSOLE = "other-console"
    DATABASE_AWAY = "database-away"
    CONSOLE = "console"
    TO_HTTPS = "redirects-to-https"
    REDIRECTS = "redirects"
    CAPTIVE = "captive-portal"
    CDN = "cdn"
    BLOCKED = "blocked"
    ROUTER = "router-page"
    NOT_FOUND = "not-found"
    PASSWORD = "asks-password"  # noqa: S105 - no secret
    SERVER_ERROR = "server-error"
    SPEAKS_TLS = "speaks-tls"
    NOT_HTTP = "not-http"
    OTHER = "answers-otherwise"


@dataclasses.dataclass(frozen=True)
class Seen:
    """Who answered, and in a stranger's words what it is."""

    kind: Kind
    what: str


# Header, what it looks like, whose it is. Networks that stand in front of other people's sites.
_NETWORKS = tuple(
    (header, re.compile(pattern, re.IGNORECASE), name)
    for header, pattern, name in (
        ("cf-ray", "", "Cloudflare"),
        ("server", "^cloudflare", "Cloudflare"),
        ("server", "^akamai", "Akamai"),
        ("x-akamai-request-id", "", "Akamai"),
        ("x-fastly-request-id", "", "Fastly"),
        ("x-served-by", "^cache-", "Fastly"),
        ("x-sucuri-id", "", "Sucuri"),
        ("server", "^sucuri", "Sucuri"),
        ("x-iinfo", "", "Imperva"),
        ("x-amz-cf-id", "", "Amazon CloudFront"),
        ("x-azure-ref", "", "Azure Front Door"),
        ("via", r"\b1\.1 google\b", "Google Cloud"),
        ("server", "^bunnycdn", "bunny.net"),
        ("server", "^keycdn", "KeyCDN"),
        ("server", "^ddos-guard", "DDoS-Guard"),
        ("server", "^netlify", "Netlify"),
        ("server", "^vercel", "Vercel"),
    )
)
_ROUTER = re.compile(
    r"fritz!?box|speedport|mikrotik|routeros|webfig|openwrt|\bluci\b|tp-?link|netgear|d-?link|"
    r"\basus(tek|wrt)?\b|zyxel|draytek|vigor|unifi|edgeos|ubiquiti|pfsense|opnsense|lancom|bintec|"
    r"technicolor|sagemcom|connect ?box|vodafone station|linksys|huawei|\bgpon\b|\brouter\b|"
    r"micro_httpd|rompager|goahead|mini_httpd|uhttpd|\bmodem\b",
    re.IGNORECASE,
)
_BLOCKING = re.compile(
    r"request rejected|web page blocked|attack id|access denied|fortigate|fortiguard|barracuda|"
    r"sonicwall|mod_security|web application firewall|attention required|just a moment",
    re.IGNORECASE,
)
_CAPTIVE = re.compile(r"captive|hotspot|walled|portal|wifi|wlan|guest", re.IGNORECASE)
_WANTS_HTTPS = re.compile(
    rb"plain HTTP request was sent to HTTPS port|HTTP request to an HTTPS server|"
    rb"speaking plain HTTP to an SSL",
    re.IGNORECASE,
)


def classify(answer: Answer, name: str, token: str, authorization: str) -> Seen:
    """Who it is that gave ``answer`` to a request for ``token`` by ``name``.

    For an answer alone: its outcome is ANSWERED or NOT_HTTP.
    """
    if answer.outcome is Outcome.NOT_HTTP:
        tls = answer.body.startswith(b"\x15\x03")
        return Seen(
            Kind.SPEAKS_TLS if tls else Kind.NOT_HTTP, quoted(answer.body.decode("latin-1"))
        )
    if answer.is_token(authorization):
        return Seen(Kind.OURS, "")
    what = described(answer)
    # Not the bare token, which many a page repeats from the address that was asked for.
    if authorization.encode() in answer.body or answer.body.startswith(f"{token}.".encode()):
        return Seen(Kind.WRONG_TOKEN, what)
    for kind in (_of_redirect(answer, name), _of_network(answer), _of_page(answer)):
        if kind:
            return kind
    return Seen(_of_status(answer), what)


def described(answer: Answer) -> str:
    """The Server header and the title of the page, quoted; else the status."""
    title = _title(answer)
    parts = [quoted(part) for part in (answer.header("server"), title) if part]
    return ", ".join(f"“{part}”" for part in parts if part) or f"HTTP {answer.status}"


def quoted(text: str) -> str:
    """A stranger's text, short and on one line."""
    plain = legible(" ".join(text.split()), _QUOTED + 1)
    return plain if len(plain) <= _QUOTED else f"{plain[: _QUOTED - 1]}…"


def _title(answer: Answer) -> str:
    found = _TITLE.search(answer.body)
    return html.unescape(found[1].decode("utf-8", "replace")) if found else ""


def _of_redirect(answer: Answer, name: str) -> Seen | None:
    location = answer.header("location")
    if answer.status not in _REDIRECTS or not location:
        return None
    where = quoted(location)
    try:
        parts = urlsplit(location)
        host, port = (parts.hostname or name).lower(), parts.port
    except ValueError:
        return Seen(Kind.REDIRECTS, where)
    if host != name.lower() and _CAPTIVE.search(location):
        return Seen(Kind.CAPTIVE, where)
    if parts.path == _SIGN_IN:
        return Seen(Kind.CONSOLE, where)
    if host == name.lower() and parts.scheme == "https" and port in _HTTPS_PORTS:
        return Seen(Kind.TO_HTTPS, where)
    return Seen(Kind.REDIRECTS, where)


def _of_network(answer: Answer) -> Seen | None:
    for header, pattern, name in _NETWORKS:
        value = answer.header(header)
        if value and pattern.search(value):
            refuses = answer.status in {403, 429, 503}
            return Seen(Kind.BLOCKED if refuses else Kind.CDN, name)
    return None


def _of_page(answer: Answer) -> Seen | None:
    title, server = _title(answer), answer.header("server")
    realm = _REALM.search(answer.header("www-authenticate"))
    words = " ".join((title, server, realm[1] if realm else ""))
    what = described(answer)
    if answer.status == HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED:  # RFC 6585 §6
        return Seen(Kind.CAPTIVE, what)
    if "Gateway Admin" in title:
        return Seen(Kind.CONSOLE, what)
    if answer.is_of_service(answering.NOT_FOUND):
        return Seen(Kind.OTHER_CONSOLE, what)
    if answer.is_of_service(answering.AWAY):
        return Seen(Kind.DATABASE_AWAY, what)
    if _WANTS_HTTPS.search(answer.body):
        return Seen(Kind.SPEAKS_TLS, what)
    if _ROUTER.search(words):
        return Seen(Kind.ROUTER, what if not realm else f"“{quoted(realm[1])}”")
    if _BLOCKING.search(words) or (answer.status in {403, 406, 429} and _blocks(answer)):
        return Seen(Kind.BLOCKED, what)
    if re.search(r"captive|hotspot", title, re.IGNORECASE):
        return Seen(Kind.CAPTIVE, what)
    return None


def _blocks(answer: Answer) -> bool:
    return bool(_BLOCKING.search(answer.body.decode("latin-1")))


def _of_status(answer: Answer) -> Kind:
    if answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        return Kind.NOT_FOUND
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return Kind.PASSWORD
    return Kind.SERVER_ERROR if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR else Kind.OTHER
