"""The sentences for a validation that has failed, by what the CA's words come to."""

from __future__ import annotations

from certificates.policy.acme_kinds import Kind
from certificates.policy.acme_meanings import Meaning
from certificates.policy.acme_steps import (
    ADDRESS_OF_NETWORK,
    DNS_RECORD,
    LATER,
    NAME_SERVERS,
    NO_REDIRECT,
    NOTHING_BETWEEN,
    OPEN_PORT,
    OWN_FIREWALL,
    PROVIDER,
    TRY_AGAIN,
    VISIBLE_EVERYWHERE,
)

_REACH = (OPEN_PORT, OWN_FIREWALL, PROVIDER, DNS_RECORD, TRY_AGAIN)
_REDIRECT = (NO_REDIRECT, OPEN_PORT, TRY_AGAIN)
_OTHER_SERVER = (OPEN_PORT, ADDRESS_OF_NETWORK, TRY_AGAIN)

VALIDATION_MEANINGS: dict[Kind, Meaning] = {
    Kind.CONNECTION_REFUSED: Meaning(
        "{ca} was refused a connection to {place} on TCP port 80: nothing listens there, a "
        "firewall rejects it, or a rule for the port leads to a wrong place.",
        (OPEN_PORT, DNS_RECORD, OWN_FIREWALL, TRY_AGAIN),
    ),
    Kind.CONNECTION_TIMEOUT: Meaning(
        "{ca} tried to connect to {place} on TCP port 80 and got no reply at all, as happens when "
        "a firewall or a router drops the connection.",
        _REACH,
    ),
    Kind.NETWORK_UNREACHABLE: Meaning(
        "{ca} found no way through the internet to {place}.",
        (
            DNS_RECORD,
            "If the address is right, ask the internet provider why it cannot be reached.",
            TRY_AGAIN,
        ),
    ),
    Kind.TIMEOUT: Meaning("{ca} got no answer from {place} on TCP port 80 in time.", _REACH),
    Kind.ANSWER_TIMEOUT: Meaning(
        "{ca} connected to {place} on TCP port 80, but got no answer in time.",
        (NOTHING_BETWEEN, OPEN_PORT, "Check that this machine is not overloaded.", TRY_AGAIN),
    ),
    Kind.CONNECTION_RESET: Meaning(
        "{ca} connected to {place} on TCP port 80, and then the connection was cut off.",
        (NOTHING_BETWEEN, OPEN_PORT, TRY_AGAIN),
    ),
    Kind.CONNECTION_CLOSED: Meaning(
        "{ca} connected to {place} on TCP port 80, and the connection was closed without an "
        "answer.",
        (OPEN_PORT, NOTHING_BETWEEN, TRY_AGAIN),
    ),
    Kind.ANSWER_UNREADABLE: Meaning(
        "{ca} connected to {place} on TCP port 80 and got no answer that is proper HTTP.",
        (
            OPEN_PORT,
            "Check that plain HTTP and not HTTPS or HTTP/2 is spoken on port 80.",
            NOTHING_BETWEEN,
            TRY_AGAIN,
        ),
    ),
    Kind.PORT_SPEAKS_TLS: Meaning(
        "{ca} reached an HTTPS server on TCP port 80 of {place}, where plain HTTP belongs.",
        (
            "Check that the rule for port 80 does not lead to the HTTPS port of a web server.",
            OPEN_PORT,
            TRY_AGAIN,
        ),
    ),
    Kind.REDIRECT_LOOP: Meaning(
        "{ca} was sent round in circles by redirects on port 80 of {place}.", _REDIRECT
    ),
    Kind.TOO_MANY_REDIRECTS: Meaning(
        "{ca} gave up after too many redirects on port 80 of {place}.", _REDIRECT
    ),
    Kind.REDIRECT_PORT: Meaning(
        "{ca} was redirected from {place} to a port other than 80 and 443, which it does not "
        "follow.",
        _REDIRECT,
    ),
    Kind.REDIRECT_HOST: Meaning(
        "{ca} was redirected from {place} to an address that it does not follow: a private IP "
        "address, or a name that is not in the public DNS.",
        (
            NO_REDIRECT,
            "If a web server of yours redirects, check that its target ends with a slash.",
            OPEN_PORT,
            TRY_AGAIN,
        ),
    ),
    Kind.REDIRECT_REFUSED: Meaning(
        "{ca} was redirected from {place} in a way that it does not follow.", _REDIRECT
    ),
    Kind.REDIRECT_BROKEN: Meaning(
        "{ca} was redirected elsewhere by what answers for {name} on port 80, and got no answer "
        "there.",
        _REDIRECT,
    ),
    Kind.REDIRECT_TLS: Meaning(
        "{ca} was redirected from {place} to an HTTPS server that did not answer properly.",
        _REDIRECT,
    ),
    Kind.HTTP_NOT_FOUND: Meaning(
        "{ca} reached a server at {place} that does not know the token (HTTP status {status}).",
        _OTHER_SERVER,
    ),
    Kind.HTTP_FORBIDDEN: Meaning(
        "{ca} was turned away at {place} (HTTP status {status}), which this gateway never does: a "
        "firewall, a proxy or another web server answered.",
        (
            (
                "Look for a web application firewall, a content delivery network or a block of "
                "countries in front of this gateway, and let paths that begin with "
                "/.well-known/acme-challenge/ through."
            ),
            *_OTHER_SERVER,
        ),
    ),
    Kind.HTTP_SERVER_ERROR: Meaning(
        "{ca} got a server's error message from {place} (HTTP status {status}).",
        (
            "If a proxy stands in front of this gateway, check that it reaches the challenge port.",
            *_OTHER_SERVER,
        ),
    ),
    Kind.HTTP_STATUS: Meaning(
        "{ca} got an unexpected answer from {place} (HTTP status {status}).", _OTHER_SERVER
    ),
    Kind.WRONG_CONTENT: Meaning(
        "{ca} got another answer from {place} than the token asks for: another web server "
        "answered, or something on the way changed the answer.",
        (*_OTHER_SERVER[:-1], NOTHING_BETWEEN, TRY_AGAIN),
    ),
    Kind.OTHER_ACCOUNT: Meaning(
        "Another ACME client answered for {place}: it knows the way to answer, but uses another "
        "account.",
        (
            (
                "Find the other ACME client or console that serves port 80 of {name}, and stop it "
                "or take the name out of it."
            ),
            *_OTHER_SERVER,
        ),
    ),
    Kind.DNS_NO_SUCH_NAME: Meaning(
        "{name} does not exist in the public DNS, says {ca}.",
        (
            DNS_RECORD,
            VISIBLE_EVERYWHERE,
            TRY_AGAIN,
        ),
    ),
    Kind.DNS_NO_ADDRESS: Meaning(
        "{ca} found no public address for {name} in the DNS: there is no A or AAAA record, or it "
        "holds a private or reserved address.",
        (
            DNS_RECORD,
            VISIBLE_EVERYWHERE,
            TRY_AGAIN,
        ),
    ),
    Kind.DNS_SERVER_FAILURE: Meaning(
        "The name servers of the domain of {name} did not give {ca} a proper answer.",
        (
            NAME_SERVERS,
            "Check the domain's DNSSEC: a wrong signature or DS record looks the same.",
            TRY_AGAIN,
        ),
    ),
    Kind.DNS_SIGNATURE: Meaning(
        "The DNSSEC signatures of the domain of {name} do not hold, so {ca} does not believe its "
        "DNS records.",
        (
            "Sign the zone anew at your DNS provider, or remove the DS record at the registrar.",
            VISIBLE_EVERYWHERE,
            TRY_AGAIN,
        ),
    ),
    Kind.DNS_REFUSED: Meaning(
        "The name servers of the domain of {name} refuse to answer {ca}.",
        (
            "Check that the name servers that the registrar lists serve this domain, to everybody.",
            TRY_AGAIN,
        ),
    ),
    Kind.DNS_TIMEOUT: Meaning(
        "The name servers of the domain of {name} did not answer {ca} in time.",
        (
            NAME_SERVERS,
            "Check that no firewall keeps foreign countries or fast requests from port 53.",
            TRY_AGAIN,
        ),
    ),
    Kind.CAA_UNREADABLE: Meaning(
        "{ca} could not find out whether a CAA record forbids it to issue for {name}: the name "
        "servers of the domain did not answer the question properly.",
        (
            (
                "Check that the domain's name servers answer questions for CAA records; no record "
                "is needed, but an answer is."
            ),
            LATER,
            TRY_AGAIN,
        ),
    ),
}
