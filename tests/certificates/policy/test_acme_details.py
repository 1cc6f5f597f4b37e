"""Real texts of Boulder and Pebble, and what each comes to."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.policy.acme_document import CaProblem, kebab
from certificates.policy.acme_kinds import Family, Kind, family_of
from certificates.policy.acme_meanings import MEANINGS
from certificates.policy.acme_problems import explain
from certificates.policy.acme_steps import TRY_AGAIN
from certificates.policy.acme_words import Values
from certificates.policy.refusal_meanings import REFUSAL_MEANINGS
from certificates.policy.validation_details import Reading, read
from certificates.policy.validation_meanings import VALIDATION_MEANINGS

NAME = "mx.example.org"
LAN = Values(NAME, 8080, behind_nat=True)
TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
URL = f"http://{NAME}/.well-known/acme-challenge/{TOKEN}"
V4, V6 = "5.9.0.1: ", "2a01:4f8::1: "
FETCHING = f"{V4}Fetching {URL}: "
MINE = f"{TOKEN}.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
OTHER = f"{TOKEN}.LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ"
NEW_ORDER = "Error creating new order :: "
RETRY = ", retry after 2026-11-24 10:00:00 UTC: see https://letsencrypt.org/docs/rate-limits/"
CANNOT = f'{NEW_ORDER}Cannot issue for "{NAME}": '
PEBBLE = f'Get "http://{NAME}:5002/.well-known/acme-challenge/{TOKEN}": '
NO_A = f"no valid A records found for {NAME}"
NO_AAAA = f"no valid AAAA records found for {NAME}"


def dns(what: str, record: str = "A", end: str = "") -> str:
    return f"DNS problem: {what} looking up {record} for {NAME}{end}"


SERVFAIL = dns("SERVFAIL", end=" - the domain's nameservers may be malfunctioning")
NXDOMAIN = dns("NXDOMAIN", end=" - check that a DNS record exists for this domain")
BOGUS = f"DNS problem: looking up A for {NAME}: DNSSEC: DNSKEY Missing: validation failure"

# The type, the detail, the code and a part of the explanation.
TEXTS: list[tuple[str, str, str, str]] = [
    # Boulder, va/va.go: no connection
    ("connection", f"{FETCHING}Connection refused", "connection-refused", f"{NAME} (5.9.0.1)"),
    ("connection", f"Fetching {URL}: Connection refused", "connection-refused", f"to {NAME} on"),
    ("connection", "Connection refused", "connection-refused", "was refused a connection"),
    (
        "connection",
        f"{FETCHING}Timeout during connect (likely firewall problem)",
        "connection-timeout",
        "no reply at all",
    ),
    (
        "connection",
        f"{V6}Fetching {URL}: Timeout during connect (likely firewall problem)",
        "connection-timeout",
        f"{NAME} (2a01:4f8::1)",
    ),
    (
        "connection",
        f"During secondary validation: {FETCHING}Timeout during connect (likely firewall problem)",
        "connection-timeout",
        "from other places in the world it did not",
    ),
    ("connection", f"{FETCHING}Network unreachable", "network-unreachable", "no way through"),
    ("connection", f"Fetching {URL}: Timeout", "timeout", "no answer from mx.example.org on"),
    # Boulder: a connection, but no answer
    (
        "connection",
        f"{FETCHING}Timeout after connect (your server may be slow or overloaded)",
        "answer-timeout",
        "but got no answer in time",
    ),
    (
        "connection",
        f"{FETCHING}Timeout during read (your server may be slow or overloaded)",
        "answer-timeout",
        "but got no answer in time",
    ),
    ("connection", f"{FETCHING}Connection reset by peer", "connection-reset", "was cut off"),
    ("connection", f"{FETCHING}Error getting validation data", "answer-unreadable", "proper HTTP"),
    (
        "connection",
        f"{FETCHING}Server is speaking HTTP/2 over HTTP",
        "answer-unreadable",
        "proper HTTP",
    ),
    (
        "unauthorized",
        f"{V4}Error reading HTTP response body: unexpected EOF",
        "answer-unreadable",
        "proper HTTP",
    ),
    # Boulder, va/http.go: redirects
    ("connection", f"{FETCHING}Redirect loop detected", "redirect-loop", "round in circles"),
    ("connection", f"{FETCHING}Too many redirects", "too-many-redirects", "too many redirects"),
    ("connection", "Too many hops", "too-many-redirects", "too many redirects"),
    (
        "connection",
        (
            f"{V4}Fetching https://{NAME}:8443/: Invalid port in redirect target. "
            "Only ports 80 and 443 are supported, not 8443"
        ),
        "redirect-port",
        "a port other than 80 and 443",
    ),
    (
        "connection",
        f"{V4}Fetching https://{NAME}:8443/: invalid port 8443: must be 80 or 443",
        "redirect-port",
        "a port other than 80 and 443",
    ),
    (
        "connection",
        (
            f'{V4}Fetching http://192.168.1.1/: Invalid host in redirect target "192.168.1.1". '
            "Only domain names are supported, not IP addresses"
        ),
        "redirect-host",
        "that it does not follow: a private IP address",
    ),
    (
        "connection",
        (
            f"{V4}Fetching http://192.168.1.1/: Invalid host in redirect target: "
            "IP address is in a reserved address block: [RFC1918]: Private-Use"
        ),
        "redirect-host",
        "a private IP address",
    ),
    (
        "connection",
        (
            f"{V4}Fetching http://router.lan/: Invalid hostname in redirect target, "
            "must end in IANA registered TLD"
        ),
        "redirect-host",
        "a name that is not in the public DNS",
    ),
    (
        "connection",
        (
            f"{V4}Fetching https://{NAME}.well-known/x: Invalid host in redirect target "
            f"\"{NAME}.well-known\". Check webserver config for missing '/' in redirect target."
        ),
        "redirect-host",
        "that it does not follow",
    ),
    (
        "connection",
        f"{V4}Fetching http://router.lan/: invalid host: must end in IANA registered TLD",
        "redirect-host",
        "not in the public DNS",
    ),
    (
        "connection",
        (
            f"{V4}Fetching ftp://{NAME}/: Invalid protocol scheme in redirect target. "
            'Only "http" and "https" protocol schemes are supported, not "ftp"'
        ),
        "redirect-refused",
        "in a way that it does not follow",
    ),
    (
        "connection",
        f"{V4}Fetching http://{NAME}/x: received disallowed redirect status code",
        "redirect-refused",
        "in a way that it does not follow",
    ),
    (
        "connection",
        f"{V4}Fetching https://{NAME}/.well-known/acme-challenge/{TOKEN}: Connection refused",
        "redirect-broken",
        "was redirected elsewhere",
    ),
    (
        "connection",
        f"{V4}Fetching http://{NAME}/login: Timeout after connect (your server may be slow)",
        "redirect-broken",
        "was redirected elsewhere",
    ),
    (
        "connection",
        (
            f"{V4}Fetching http://www.example.com/.well-known/acme-challenge/{TOKEN}: "
            "Timeout during connect (likely firewall problem)"
        ),
        "redirect-broken",
        "was redirected elsewhere",
    ),
    (
        "malformed",
        f"{V4}Fetching https://{NAME}/: Server only speaks HTTP, not TLS",
        "redirect-tls",
        "HTTPS server that did not answer properly",
    ),
    (
        "tls",
        f"{V4}Fetching https://{NAME}/: remote error: tls: handshake failure",
        "redirect-tls",
        "HTTPS",
    ),
    # Boulder: an answer, but not ours
    (
        "unauthorized",
        f"{V4}Invalid response from {URL}: 404",
        "http-not-found",
        "(HTTP status 404)",
    ),
    (
        "unauthorized",
        f"{V6}Invalid response from {URL}: 403",
        "http-forbidden",
        "(2a01:4f8::1) (HTTP",
    ),
    ("unauthorized", f"{V4}Invalid response from {URL}: 401", "http-forbidden", "turned away"),
    ("unauthorized", f"{V4}Invalid response from {URL}: 503", "http-server-error", "status 503"),
    ("unauthorized", f"{V4}Invalid response from {URL}: 202", "http-status", "(HTTP status 202)"),
    (
        "unauthorized",
        f"During secondary validation: {V4}Invalid response from {URL}: 403",
        "http-forbidden",
        "from other places in the world it did not",
    ),
    (
        "unauthorized",
        f'Invalid response from {URL} [5.9.0.1]: "<!DOCTYPE html>\\n<html>404 Not Found"',
        "wrong-content",
        f"another answer from {NAME} (5.9.0.1)",
    ),
    (
        "unauthorized",
        f"Invalid response from {URL} [2a01:4f8::1]: 404",
        "http-not-found",
        "2a01:4f8::1",
    ),
    (
        "unauthorized",
        f'{V4}Invalid response from {URL}: "<html>"',
        "wrong-content",
        "another web server",
    ),
    (
        "unauthorized",
        (
            "The key authorization file from the server did not match this challenge "
            f'"{MINE}" != "It works!"'
        ),
        "wrong-content",
        "another answer",
    ),
    (
        "unauthorized",
        (
            "The key authorization file from the server did not match this challenge "
            f'"{MINE}" != "{OTHER}"'
        ),
        "other-account",
        "Another ACME client answered",
    ),
    (
        "unauthorized",
        (
            "The key authorization file from the server did not match this challenge. "
            f'Expected "{MINE}" (got "{OTHER}")'
        ),
        "other-account",
        "uses another account",
    ),
    (
        "unauthorized",
        (
            "The key authorization file from the server did not match this challenge "
            f"[{MINE}] != [{MINE}x]"
        ),
        "wrong-content",
        "another answer",
    ),
    # Boulder, bdns/
    ("dns", NXDOMAIN, "dns-no-such-name", "does not exist in the public DNS"),
    ("dns", f"{NXDOMAIN}; {dns('NXDOMAIN', 'AAAA')}", "dns-no-such-name", "does not exist"),
    ("dns", f"{NO_A}; {NO_AAAA}", "dns-no-address", "no public address"),
    ("connection", f"{NO_A}; {NO_AAAA}", "dns-no-address", "a private or reserved address"),
    ("dns", SERVFAIL, "dns-server-failure", "did not give Let's Encrypt a proper answer"),
    ("dns", f"{NO_A}; {SERVFAIL}", "dns-server-failure", "proper answer"),
    ("connection", dns("SERVFAIL"), "dns-server-failure", "proper answer"),
    ("dns", dns("server failure at resolver"), "dns-server-failure", "proper answer"),
    ("dns", dns("networking error"), "dns-server-failure", "proper answer"),
    ("dns", f"{BOGUS}; {NO_AAAA}", "dns-signature", "DNSSEC signatures"),
    ("dns", dns("REFUSED"), "dns-refused", "refuse to answer"),
    ("dns", f"{dns('query timed out')}; {NO_AAAA}", "dns-timeout", "did not answer Let's Encrypt"),
    (
        "dns",
        f"During secondary validation: {dns('query timed out')}; {NO_AAAA}",
        "dns-timeout",
        "from other places in the world it did not",
    ),
    # Boulder, va/caa.go
    ("caa", f"CAA record for {NAME} prevents issuance", "caa", f"The CAA record of {NAME} in"),
    ("caa", "CAA record for example.org prevents issuance", "caa", "CAA record of example.org in"),
    (
        "caa",
        (
            f"Error finalizing order :: rechecking caa: While processing CAA for {NAME}: "
            "CAA record for example.org prevents issuance"
        ),
        "caa",
        "CAA record of example.org in",
    ),
    ("caa", "CAA record for elsewhere.example prevents issuance", "caa", "A CAA record in the DNS"),
    ("dns", dns("query timed out", "CAA"), "caa-unreadable", "could not find out whether"),
    (
        "dns",
        f"During secondary validation: {dns('SERVFAIL', 'CAA', ' - the nameservers may be')}",
        "caa-unreadable",
        "could not find out whether",
    ),
    (
        "caa",
        f"Error finalizing order :: While processing CAA for {NAME}: {dns('SERVFAIL', 'CAA')}",
        "caa-unreadable",
        "could not find out whether",
    ),
    (
        "dns",
        f"While processing CAA for {NAME}: {dns('networking error', 'CNAME')}",
        "caa-unreadable",
        "could not find out whether",
    ),
    # Pebble, va/va.go
    (
        "connection",
        f"{PEBBLE}dial tcp 5.9.0.1:5002: connect: connection refused",
        "connection-refused",
        "refused",
    ),
    (
        "connection",
        f"Get http://{NAME}:5002/.well-known/acme-challenge/x: dial tcp 5.9.0.1:5002: i/o timeout",
        "connection-timeout",
        "no reply",
    ),
    (
        "connection",
        f"{PEBBLE}dial tcp 5.9.0.1:5002: connect: no route to host",
        "network-unreachable",
        "no way",
    ),
    (
        "connection",
        f"{PEBBLE}context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
        "timeout",
        "in time",
    ),
    (
        "connection",
        (
            f"{PEBBLE}net/http: request canceled while waiting for connection "
            "(Client.Timeout exceeded while awaiting headers)"
        ),
        "connection-timeout",
        "no reply",
    ),
    (
        "connection",
        f"{PEBBLE}read tcp 10.0.0.1:4->5.9.0.1:5002: read: connection reset by peer",
        "connection-reset",
        "cut off",
    ),
    ("connection", f"{PEBBLE}EOF", "connection-closed", "closed without an answer"),
    (
        "connection",
        (
            f"{PEBBLE}net/http: HTTP/1.x transport connection broken: "
            'malformed HTTP response "\\x15\\x03\\x01\\x00\\x02\\x02P"'
        ),
        "port-speaks-tls",
        "an HTTPS server on TCP port 80",
    ),
    (
        "connection",
        f'{PEBBLE}malformed HTTP response "220 mx.example.org ESMTP"',
        "answer-unreadable",
        "proper HTTP",
    ),
    ("connection", f"{PEBBLE}stopped after 10 redirects", "too-many-redirects", "too many"),
    (
        "connection",
        f"{PEBBLE}dial tcp: lookup {NAME} on 127.0.0.1:53: no such host",
        "dns-no-such-name",
        "does not exist",
    ),
    (
        "connection",
        f'{PEBBLE}could not resolve URL "{URL}"',
        "dns-no-address",
        "no public address",
    ),
    (
        "unauthorized",
        f"Non-200 status code from HTTP: {URL} returned 404",
        "http-not-found",
        "HTTP status 404",
    ),
    # Boulder, ratelimits/
    (
        "rateLimited",
        (
            f"{NEW_ORDER}too many certificates (5) already issued for this exact set of "
            f"identifiers in the last 168h0m0s{RETRY}"
        ),
        "limit-exact-set",
        "exactly these names",
    ),
    (
        "rateLimited",
        (
            f'{NEW_ORDER}too many certificates (50) already issued for "example.org" in the last '
            f"168h0m0s{RETRY}"
        ),
        "limit-domain",
        "for example.org and the names below it",
    ),
    (
        "rateLimited",
        f'{NEW_ORDER}too many failed authorizations (5) for "{NAME}" in the last 1h0m0s{RETRY}',
        "limit-failures",
        f"no more orders for {NAME} for now",
    ),
    (
        "rateLimited",
        f"{NEW_ORDER}too many new orders (300) from this account in the last 3h0m0s{RETRY}",
        "limit-orders",
        "as many orders",
    ),
    (
        "rateLimited",
        f"too many new registrations (10) from this IP address in the last 3h0m0s{RETRY}",
        "limit-accounts",
        "new accounts",
    ),
    (
        "rateLimited",
        f"too many new registrations (500) from this /48 subnet of IPv6 addresses in the{RETRY}",
        "limit-accounts",
        "new accounts",
    ),
    ("rateLimited", "too many currently pending authorizations", "limit-pending", "unfinished"),
    ("rateLimited", "Service busy; retry later.", "busy", "is busy"),
    (
        "rateLimited",
        (
            f"Your account is temporarily prevented from requesting certificates for {NAME} and "
            "possibly others. Please visit: https://portal.letsencrypt.org/sfe/v1/unpause?jwt=a.b"
        ),
        "paused",
        f"no more certificates for {NAME} to this console",
    ),
    ("rateLimited", "slow down", "rate-limited", "too many requests"),
    # Boulder, policy/, csr/ and wfe2/
    (
        "rejectedIdentifier",
        (
            f"{CANNOT}The ACME server refuses to issue a certificate for this domain name, "
            "because it is forbidden by policy"
        ),
        "name-forbidden",
        f"no certificates for {NAME}: its policy forbids",
    ),
    (
        "rejectedIdentifier",
        f"{CANNOT}Domain name does not end with a valid public suffix (TLD)",
        "name-not-public",
        "its ending does not exist",
    ),
    (
        "malformed",
        f"{CANNOT}Domain name is an ICANN TLD",
        "name-not-public",
        "nothing but an ending",
    ),
    ("malformed", f"{CANNOT}Domain name contains an invalid character", "name-invalid", NAME),
    ("malformed", f"{CANNOT}Domain name has more than 10 labels (parts)", "name-invalid", NAME),
    (
        "malformed",
        f"{CANNOT}The ACME server can not issue a certificate for an IP address",
        "name-is-address",
        "for an IP address",
    ),
    (
        "malformed",
        "Order cannot contain more than 100 identifiers",
        "too-many-names",
        "so many names",
    ),
    (
        "malformed",
        "Error finalizing order :: certificate public key must be different than account key",
        "key-is-account-key",
        "the key of the account as well",
    ),
    ("malformed", "Unable to read/verify body", "malformed", "did not accept the request"),
    (
        "badCSR",
        "Error finalizing order :: invalid public key in CSR: key size not supported: 1024",
        "csr-key",
        "the key in the certificate request",
    ),
    ("badCSR", "CSR contains more than 100 identifiers", "too-many-names", "so many names"),
    ("badCSR", "signature algorithm not supported", "bad-csr", "the certificate request"),
    (
        "invalidContact",
        "invalid contact domain. Contact emails @example.org are forbidden",
        "contact-domain",
        "the domain of the contact email",
    ),
    ("invalidContact", "contact email contains non-ASCII", "invalid-contact", "the contact email"),
    ("userActionRequired", "Terms of service have changed", "user-action-required", "new terms"),
    (
        "serverInternal",
        "During secondary validation: Secondary validation RPC failed",
        "perspective-failed",
        "one of the places that it checks from",
    ),
    (
        "serverInternal",
        "Error finalizing order :: Unable to meet CA SCT embedding requirements",
        "transparency-logs",
        "public logs",
    ),
    (
        "serverInternal",
        (
            "The service is down for maintenance or had an internal error. "
            "Check https://letsencrypt.status.io/ for more details."
        ),
        "maintenance",
        "down for maintenance",
    ),
    ("serverInternal", "Error creating new order", "server-internal", "internal problem"),
]


def identified(kind: str, detail: str) -> CaProblem:
    return CaProblem(kind, detail, identifier=NAME)


@pytest.mark.parametrize(("kind", "detail", "slug", "part"), TEXTS)
def test_a_real_text_has_its_own_code_and_words(
    kind: str, detail: str, slug: str, part: str
) -> None:
    problem = explain(identified(kind, detail), LAN)
    assert problem.code == f"acme-{slug}"
    assert part in problem.explanation
    assert problem.remedy
    assert problem.detail.startswith(f"{kind}: {detail}")


@pytest.mark.parametrize(
    ("kind", "detail"),
    [row[:2] for row in TEXTS if row[2] not in {"paused", "caa-unreadable"}],
)
def test_finer_words_do_not_change_whether_it_is_tried_again(kind: str, detail: str) -> None:
    plain = explain(identified(kind, ""), LAN)
    assert explain(identified(kind, detail), LAN).retryable == plain.retryable


def test_name_servers_that_were_silent_about_caa_may_answer_the_next_time() -> None:
    """Boulder's last look before it issues says type ``caa`` for that as well."""
    detail = f"rechecking caa: While processing CAA for {NAME}: {dns('query timed out', 'CAA')}"
    explained = explain(identified("caa", detail), LAN)
    assert (explained.code, explained.retryable) == ("acme-caa-unreadable", True)


def test_there_are_texts_for_every_kind() -> None:
    without = {Kind.ACCOUNT_CLOSED}
    assert {kind.value for kind in set(Kind) - without} <= {slug for _, _, slug, _ in TEXTS}


def test_a_closed_account_is_no_failed_validation() -> None:
    detail = 'Unable to validate JWS :: Account is not valid, has status "deactivated"'
    problem = explain(CaProblem("unauthorized", detail, 403), LAN)
    assert problem.code == "acme-account-closed"
    assert "port" not in problem.explanation
    assert problem.retryable


@pytest.mark.parametrize("kind", sorted(Kind))
def test_every_kind_has_whole_sentences_and_steps(kind: Kind) -> None:
    meanings = {**VALIDATION_MEANINGS, **REFUSAL_MEANINGS}
    meaning = meanings[kind]
    assert meaning.explanation.endswith(".")
    assert meaning.remedy
    assert kebab(kind.replace("-", "")) == kind.replace("-", "")
    assert kind.value not in {kebab(name) for name in MEANINGS}


def test_every_validation_kind_tells_how_far_it_came() -> None:
    assert all(family_of(kind, "") is not Family.NONE for kind in VALIDATION_MEANINGS)
    assert all(family_of(kind, "") is Family.NONE for kind in REFUSAL_MEANINGS)


# The parts of a text

FULL = identified(
    "connection", f"During secondary validation: {V6}Fetching {URL}: Connection refused"
)


def test_address_and_place_are_read() -> None:
    assert read(FULL) == Reading(Kind.CONNECTION_REFUSED, address="2a01:4f8::1", is_secondary=True)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("2a01:4f8:0:0::1", "2a01:4f8::1"),
        ("[2a01:4f8::1]", "2a01:4f8::1"),
        ("::ffff:5.9.0.1", "5.9.0.1"),
        ("5.9.0.1", "5.9.0.1"),
        ("999.9.9.9", ""),
        ("dead:beef", ""),
        ("<b>", ""),
    ],
)
def test_only_a_proper_address_is_one(address: str, expected: str) -> None:
    detail = f"{address}: Fetching {URL}: Connection refused"
    assert read(identified("connection", detail)).address == expected


@pytest.mark.parametrize(
    ("url", "is_redirect"),
    [
        (URL, False),
        (URL.replace("http:", "https:"), True),
        (URL.replace(NAME, "www.example.org"), True),
        (URL.replace(NAME, NAME.upper()), False),
        (f"http://{NAME}:5002/.well-known/acme-challenge/x", False),
        (f"http://{NAME}/", True),
        ("http://[broken", False),
        ("nonsense", False),
    ],
)
def test_another_address_than_the_first_one_was_a_redirect(url: str, is_redirect: bool) -> None:
    reading = read(identified("connection", f"Fetching {url}: Connection refused"))
    assert reading.is_redirected == is_redirect
    assert (reading.kind is Kind.REDIRECT_BROKEN) == is_redirect


def test_the_address_that_pebble_went_to_is_read() -> None:
    for dialled, address in (("5.9.0.1", "5.9.0.1"), ("[2a01:4f8::1]", "2a01:4f8::1")):
        detail = f"{PEBBLE}dial tcp {dialled}:5002: connect: connection refused"
        reading = read(CaProblem("connection", detail, identifier=NAME))
        assert (reading.kind, reading.address) == (Kind.CONNECTION_REFUSED, address)


@pytest.mark.parametrize("kind", ["connection", "dns"])
def test_a_target_of_a_redirect_that_has_no_address_is_none_of_this_name(kind: str) -> None:
    url = "http://www.elsewhere.example/"
    words = f'could not resolve URL "{URL}"' if kind == "connection" else NXDOMAIN
    problem = explain(CaProblem(kind, f'Get "{url}": {words}', identifier=NAME), LAN)
    assert problem.code == "acme-redirect-broken"
    assert "redirected elsewhere" in problem.explanation
    assert "found no public address" not in problem.explanation


def test_without_the_name_another_host_is_not_known_to_be_a_redirect() -> None:
    detail = f"Fetching {URL.replace(NAME, 'www.example.org')}: Connection refused"
    assert read(CaProblem("connection", detail)).kind is Kind.CONNECTION_REFUSED


# What strangers put into redirects and pages must not be taken for the CA's own words.


@pytest.mark.parametrize(
    ("kind", "detail", "slug"),
    [
        (
            "unauthorized",
            f'{V4}Invalid response from {URL}: "x: Connection refused"',
            "wrong-content",
        ),
        ("unauthorized", f"{V4}Connection refused", "unauthorized"),
        ("connection", f"{V4}Invalid response from {URL}: 404", "connection"),
        (
            "connection",
            "Fetching http://x.example/?a: Connection refused: Redirect loop detected",
            "connection",
        ),
        ("connection", "5.9.0.1: Fetching http://nxdomain/: no idea", "connection"),
        ("connection", "refused", "connection"),
        ("dns", "Connection refused", "dns"),
        ("caa", f"{V4}Connection refused", "caa"),
        ("rateLimited", f"{FETCHING}Connection refused", "rate-limited"),
        ("orderNotReady", f"{FETCHING}Connection refused", "order-not-ready"),
        ("brandNew", f"{FETCHING}Connection refused", "brand-new"),
        ("", f"{FETCHING}Connection refused", "unknown"),
        (
            "unauthorized",
            f'Invalid response from {URL}: "account is not valid"',
            "wrong-content",
        ),
        (
            "unauthorized",
            (
                "The key authorization file from the server did not match this challenge "
                f'"a" != "{MINE}"'
            ),
            "wrong-content",
        ),
    ],
)
def test_a_text_in_the_wrong_place_decides_nothing(kind: str, detail: str, slug: str) -> None:
    assert explain(identified(kind, detail), LAN).code == f"acme-{slug}"


def test_a_ca_that_has_no_word_for_the_dns_is_understood() -> None:
    problem = explain(identified("connection", f"Could not resolve host {NAME}"), LAN)
    assert problem.code == "acme-dns"


def test_the_moment_of_a_limit_is_told() -> None:
    detail = f"too many new orders (300) from this account in the last 3h0m0s{RETRY}"
    problem = explain(CaProblem("rateLimited", detail, 429), LAN)
    assert problem.remedy[0] == "Wait until 2026-11-24 10:00 UTC."
    vague = explain(CaProblem("rateLimited", "too many new orders from this account", 429), LAN)
    assert vague.remedy[0].startswith("Wait until the time that is given in the technical detail")


@pytest.mark.parametrize(
    "detail", [f"{V4}x", f"{V6}x", "x" * 5000, "\0\n", "}{", "%s", "5.9.0.1: "]
)
@pytest.mark.parametrize("kind", ["connection", "unauthorized", "dns", "caa", "malformed"])
def test_odd_texts_say_no_more_than_their_type(kind: str, detail: str) -> None:
    assert explain(identified(kind, detail), LAN).code == f"acme-{kind}"


def test_steps_of_a_scenario_are_those_of_this_network() -> None:
    detail = f"{FETCHING}Timeout during connect (likely firewall problem)"
    public = dataclasses.replace(LAN, behind_nat=False, challenge_port=80, machine="5.9.0.1")
    home = explain(identified("connection", detail), dataclasses.replace(LAN, machine="10.0.0.5"))
    hosted = explain(identified("connection", detail), public)
    assert "forward TCP port 80" in home.remedy[0]
    assert "this machine (10.0.0.5), port 8080" in home.remedy[0]
    assert "sudo ufw allow 8080/tcp" in home.remedy[1]
    assert "internet provider" in home.remedy[2]
    assert hosted.remedy[0].startswith("In the firewall, allow TCP port 80 of this machine (5.9")
    assert "security group" in hosted.remedy[2]
    assert home.remedy[-1] == hosted.remedy[-1] == TRY_AGAIN


PIECES = st.sampled_from(
    [
        "During secondary validation: ",
        V4,
        V6,
        f"Fetching {URL}: ",
        'Get "http://<b>/": ',
        "Connection refused",
        "Invalid response from http://x/ [::1]: 404",
        f'did not match this challenge "{MINE}" != "',
        "DNS problem: SERVFAIL looking up CAA for <b>",
        "CAA record for evil.example prevents issuance",
        'Cannot issue for "<b>": forbidden by policy',
        'too many certificates already issued for "<b>"',
        "; ",
        "<script>",
        "{ca}",
        "http://evil.example/",
    ]
)
DETAILS = st.text() | st.lists(PIECES | st.text(max_size=20), max_size=8).map("".join)
TYPES = st.sampled_from([*MEANINGS, "", "brandNew"]) | st.text(max_size=10)


@given(TYPES, DETAILS, st.text(), st.sampled_from([0, 400, 403, 404, 429, 500, 503]))
def test_no_text_gets_into_the_sentences_and_none_breaks_them(
    kind: str, detail: str, name: str, status: int
) -> None:
    problem = CaProblem(kind, detail, status, name)
    explained = explain(problem, LAN)
    words = " ".join([explained.explanation, *explained.remedy])
    assert explained == explain(problem, LAN)
    assert explained.remedy
    assert words.isprintable()
    assert not any(part in words for part in ("<", "{", "}", "://"))
    assert all(step.endswith((".", ")")) for step in (explained.explanation, *explained.remedy))
    assert explained.code.replace("-", "").isalpha()
