"""Reads what Boulder (va/, bdns/) and Pebble (va/) say of a validation that has failed.

The texts quote addresses, redirects and pages that strangers wrote: nothing is believed that does
not stand where the CA puts its own words, and nothing is handed on but kinds, addresses, numbers.
"""

from __future__ import annotations

import dataclasses
import re
from urllib.parse import urlsplit

from certificates.policy.acme_document import CaProblem
from certificates.policy.acme_kinds import FAMILIES, Family, Kind
from certificates.policy.evidence import parsed
from certificates.policy.refusal import is_hostname

LONGEST_READ = 4000
_CHALLENGE_PATH = "/.well-known/acme-challenge/"

_STEP = re.compile(r"(?:Error|Unable)[A-Za-z' -]{0,60} :: ")
_SECONDARY = re.compile(r"During secondary (?:validation|domain validation|CAA checking): ")
_CAA = re.compile(r"(?:rechecking caa: |While processing CAA for \S{1,253}: ){1,2}", re.IGNORECASE)
_ADDRESS = re.compile(r"\[?([0-9A-Fa-f:.]{2,45})\]?: ")
# Pebble says it with Go's words alone.
_DIALLED = re.compile(r"dial tcp \[?([0-9A-Fa-f:.]{2,45})\]?:\d{1,5}: ")
_FETCHING = re.compile(r'(?:Fetching (\S+)|Get "(\S+)"|Get (\S+)): ')
_ANSWER = re.compile(
    r'Invalid response from (\S+)(?: \[([^\]\s]+)\])?: (?:(\d{3})\.?$|[\[“"].*)', re.DOTALL
)
_PEBBLE_STATUS = re.compile(r"Non-200 status code from HTTP: (\S+) returned (\d{3})")
_MISMATCH = re.compile(
    r"The key authorization file from the server did not match this challenge[.:]? (.*)", re.DOTALL
)
# The CA's own two halves first, and then the same token with another account's thumbprint.
_OTHER_THUMBPRINT = re.compile(
    r'(?:Expected )?["\[]([A-Za-z0-9_-]{22,128})\.[A-Za-z0-9_-]{43}["\]] (?:!= |\(got )'
    r'["\[]\1\.[A-Za-z0-9_-]{43}["\]]\)?'
)
_DNS = re.compile(
    r"(?:DNS problem: |No valid (?:IP|A|AAAA) |error occurred while resolving URL |"
    r"could not resolve URL |(?:dial tcp: )?lookup \S+ on \S+: |(?:dial tcp: )?lookup \S+: )",
    re.IGNORECASE,
)
_CAA_LOOKUP = re.compile(r"looking up CAA for ", re.IGNORECASE)
_PREVENTED = re.compile(r"CAA record for (\S{1,253}) prevents issuance")
_TLS_RECORD = re.compile(r'.*malformed HTTP response "\\x1[456]\\x03', re.DOTALL)

# Whole messages, as they stand at the end of a detail. First Boulder's, then Go's through Pebble.
_MESSAGES: tuple[tuple[str, Kind], ...] = (
    (r"Connection refused", Kind.CONNECTION_REFUSED),
    (r"Timeout during connect( \(.*\))?", Kind.CONNECTION_TIMEOUT),
    (r"Timeout (after connect|during \w+)( \(.*\))?", Kind.ANSWER_TIMEOUT),
    (r"Timeout", Kind.TIMEOUT),
    (r"Connection reset by peer", Kind.CONNECTION_RESET),
    (r"(Network|Network is|Host|Host is) unreachable|No route to host", Kind.NETWORK_UNREACHABLE),
    (r"Error getting validation data", Kind.ANSWER_UNREADABLE),
    (r"Server is speaking HTTP/2 over HTTP", Kind.ANSWER_UNREADABLE),
    (r"Error reading HTTP response body: .*", Kind.ANSWER_UNREADABLE),
    (r"Server only speaks HTTP, not TLS", Kind.REDIRECT_TLS),
    (r"validation attempt was redirected to an HTTPS server that doesn't .*", Kind.REDIRECT_TLS),
    (r"Redirect loop detected", Kind.REDIRECT_LOOP),
    (r"Too many (redirects|hops)", Kind.TOO_MANY_REDIRECTS),
    (r"Invalid port in redirect target\..*", Kind.REDIRECT_PORT),
    (r"invalid port \d+: must be .*", Kind.REDIRECT_PORT),
    (r"Invalid (empty )?host(name)? in redirect target.*", Kind.REDIRECT_HOST),
    (r"invalid host: .*", Kind.REDIRECT_HOST),
    (r"Invalid protocol scheme.*", Kind.REDIRECT_REFUSED),
    (r"received disallowed redirect status code", Kind.REDIRECT_REFUSED),
    (r"Redirect target too long", Kind.REDIRECT_REFUSED),
    (r"Invalid Location header in \d+ redirect", Kind.REDIRECT_REFUSED),
    (r"dial tcp \S+: (connect: )?connection refused", Kind.CONNECTION_REFUSED),
    (r"dial tcp \S+: (i/o timeout|connect: connection timed out)", Kind.CONNECTION_TIMEOUT),
    (r"net/http: request canceled while waiting for connection .*", Kind.CONNECTION_TIMEOUT),
    (r"dial tcp \S+: connect: (network is unreachable|no route to host)", Kind.NETWORK_UNREACHABLE),
    (r"net/http: timeout awaiting response headers", Kind.ANSWER_TIMEOUT),
    (r".*\(Client\.Timeout exceeded while awaiting headers\)", Kind.TIMEOUT),
    (r"(read tcp \S+: )?read: connection reset by peer", Kind.CONNECTION_RESET),
    (r"(unexpected )?EOF", Kind.CONNECTION_CLOSED),
    (r"stopped after \d+ redirects", Kind.TOO_MANY_REDIRECTS),
    (r"http: server gave HTTP response to HTTPS client", Kind.REDIRECT_TLS),
    (r"tls: first record does not look like a TLS handshake", Kind.REDIRECT_TLS),
    (r"remote error: tls: .*", Kind.REDIRECT_TLS),
    (
        r"(net/http: HTTP/1\.x transport connection broken: )?malformed HTTP .*",
        Kind.ANSWER_UNREADABLE,
    ),
)
_PATTERNS = tuple((re.compile(text, re.IGNORECASE | re.DOTALL), kind) for text, kind in _MESSAGES)

# Both records are looked up, and the failure that hides the other one counts.
_LOOKUPS: tuple[tuple[tuple[str, ...], Kind], ...] = (
    (("dnssec",), Kind.DNS_SIGNATURE),
    (("servfail", "server failure", "networking error", "misbehaving"), Kind.DNS_SERVER_FAILURE),
    (("problem: refused ",), Kind.DNS_REFUSED),
    (("timed out", "i/o timeout"), Kind.DNS_TIMEOUT),
    (("nxdomain", "no such host"), Kind.DNS_NO_SUCH_NAME),
    (("no valid ", "could not resolve"), Kind.DNS_NO_ADDRESS),
)
# What a CA says that calls a name without an address a failed connection, and what it quotes.
_UNRESOLVED = ("could not resolve", "no such host", "nxdomain", "no valid a records")
_QUOTED = re.compile(r"\S+://\S+|\"[^\"]*\"?")
# The families of words that a CA says under each type; all else is only a quotation.
_EXPECTED: dict[str, frozenset[Family]] = {
    "connection": frozenset(Family) - {Family.CONTENT, Family.NONE},
    "unauthorized": frozenset({Family.CONTENT, Family.ANSWER, Family.REDIRECT}),
    "incorrectResponse": frozenset({Family.CONTENT, Family.ANSWER, Family.REDIRECT}),
    "dns": frozenset({Family.DNS, Family.CAA, Family.REDIRECT}),
    "caa": frozenset({Family.CAA}),
    "tls": frozenset({Family.REDIRECT}),
    "malformed": frozenset({Family.REDIRECT}),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What is certain of a failed validation. Empty and False where the CA does not say.

    ``address`` is the one that the CA went to, in its canonical form; ``status`` the HTTP status
    that it got; ``caa_at`` the name whose CAA record forbids. ``is_secondary``: the CA's primary
    perspective succeeded, remote ones did not. ``is_redirected``: it had followed a redirect.
    """

    kind: Kind | None = None
    address: str = ""
    status: int = 0
    caa_at: str = ""
    is_secondary: bool = False
    is_redirected: bool = False


def type_of(problem: CaProblem) -> str:
    """The error's type, or what it should be: not every CA has one of its own for the DNS."""
    if problem.type == "connection":
        own_words = _QUOTED.sub("", problem.detail).lower()
        if any(words in own_words for words in _UNRESOLVED):
            return "dns"
    return problem.type


def read(problem: CaProblem) -> Reading:
    """What the detail of one error says; never raises, whatever it holds."""
    expected = _EXPECTED.get(problem.type, frozenset())
    if not expected:
        return Reading()
    reading = _read(problem)
    if reading.kind is not None and FAMILIES[reading.kind] not in expected:
        return dataclasses.replace(reading, kind=None, status=0)
    return reading


def _read(problem: CaProblem) -> Reading:
    text = problem.detail[:LONGEST_READ].strip()
    while found := _STEP.match(text):
        text = text[found.end() :]
    text, is_secondary = _without(_SECONDARY, text)
    text, is_about_caa = _without(_CAA, text)
    text, address = _without_address(text)
    url, text = _without_url(text)
    address = address or _dialled(text)
    reading = _with_answer(text) or Reading(kind=_kind_of(text), caa_at=_prevented(text, problem))
    url = url or _url_of_answer(text)
    kind, is_redirected = reading.kind, _is_redirect(url, problem)
    if is_about_caa and kind is not None and FAMILIES[kind] is Family.DNS:
        kind = Kind.CAA_UNREADABLE
    if is_redirected and kind is not None and FAMILIES[kind] in _CONNECTING:
        kind = Kind.REDIRECT_BROKEN
    return dataclasses.replace(
        reading,
        kind=kind,
        address=address or reading.address,
        is_secondary=is_secondary,
        is_redirected=is_redirected,
    )


# A name in a redirect is another one's, so its not being found says nothing of this name.
_CONNECTING = frozenset({Family.CONNECT, Family.ANSWER, Family.EITHER, Family.DNS})


def _without(prefix: re.Pattern[str], text: str) -> tuple[str, bool]:
    found = prefix.match(text)
    return (text[found.end() :], True) if found else (text, False)


def _without_address(text: str) -> tuple[str, str]:
    found = _ADDRESS.match(text)
    address = parsed(found[1]) if found else None
    return (text[found.end() :], str(address)) if found and address else (text, "")


def _dialled(text: str) -> str:
    found = _DIALLED.match(text)
    return str(parsed(found[1]) or "") if found else ""


def _without_url(text: str) -> tuple[str, str]:
    found = _FETCHING.match(text)
    if found is None:
        return "", text
    return next(group for group in found.groups() if group), text[found.end() :]


def _with_answer(text: str) -> Reading | None:
    """The answer of a server that is not what was expected."""
    if pebble := _PEBBLE_STATUS.fullmatch(text):
        return _with_status(int(pebble[2]), "")
    if mismatch := _MISMATCH.fullmatch(text):
        is_other = _OTHER_THUMBPRINT.fullmatch(mismatch[1])
        return Reading(kind=Kind.OTHER_ACCOUNT if is_other else Kind.WRONG_CONTENT)
    answer = _ANSWER.fullmatch(text)
    if answer is None:
        return None
    address = str(parsed(answer[2] or "") or "")
    if answer[3]:
        return _with_status(int(answer[3]), address)
    return Reading(kind=Kind.WRONG_CONTENT, address=address)


def _with_status(status: int, address: str) -> Reading:
    if status in {404, 410}:
        kind = Kind.HTTP_NOT_FOUND
    elif status in {401, 403, 407, 429, 451}:
        kind = Kind.HTTP_FORBIDDEN
    else:
        kind = Kind.HTTP_SERVER_ERROR if 500 <= status <= 599 else Kind.HTTP_STATUS
    return Reading(kind=kind, address=address, status=status)


def _url_of_answer(text: str) -> str:
    found = _ANSWER.fullmatch(text) or _PEBBLE_STATUS.fullmatch(text)
    return found[1] if found else ""


def _kind_of(text: str) -> Kind | None:
    if _DNS.match(text):
        return _lookup(text)
    if _TLS_RECORD.match(text):
        return Kind.PORT_SPEAKS_TLS
    return next((kind for pattern, kind in _PATTERNS if pattern.fullmatch(text)), None)


def _lookup(text: str) -> Kind | None:
    if _CAA_LOOKUP.search(text):
        return Kind.CAA_UNREADABLE
    lowered = text.lower()
    return next((kind for words, kind in _LOOKUPS if any(word in lowered for word in words)), None)


def _prevented(text: str, problem: CaProblem) -> str:
    """The name with the CAA record: the validated one or one above it, else it is not believed."""
    found = _PREVENTED.fullmatch(text)
    if found is None or not is_hostname(found[1]):
        return ""
    name, at = problem.identifier.lower().removeprefix("*."), found[1].lower()
    return at if name == at or name.endswith(f".{at}") else ""


def _is_redirect(url: str, problem: CaProblem) -> bool:
    """Whether the address is another one than a CA asks first (RFC 8555 §8.3)."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        return False
    if not host:
        return False
    is_elsewhere = bool(problem.identifier) and host != problem.identifier.lower()
    return parts.scheme != "http" or is_elsewhere or not parts.path.startswith(_CHALLENGE_PATH)
