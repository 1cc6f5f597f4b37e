"""The sentences for a CA's errors, by the type of RFC 8555 §6.7, RFC 8738 and RFC 9773."""

from __future__ import annotations

import dataclasses

from certificates.policy.acme_steps import (
    ADDRESS_OF_NETWORK,
    CHECK_NAMES,
    DNS_RECORD,
    LATER,
    NOTHING,
    OPEN_PORT,
    OTHER_KEY,
    READ_DETAIL,
    TRY_AGAIN,
    VISIBLE_EVERYWHERE,
    WAIT,
)


@dataclasses.dataclass(frozen=True)
class Meaning:
    """A sentence and its remedy, with places for what acme_words.py fills in.

    A permanent one stays wrong until somebody edits something; asking again only annoys the CA.
    """

    explanation: str
    remedy: tuple[str, ...] = ()
    is_permanent: bool = False


MEANINGS: dict[str, Meaning] = {
    "connection": Meaning(
        "{ca} could not connect to {name} on TCP port 80.",
        (
            OPEN_PORT,
            "Check that no other firewall or provider blocks port 80.",
            DNS_RECORD,
            TRY_AGAIN,
        ),
    ),
    "unauthorized": Meaning(
        "{ca} reached a server under {name}, but it was not this gateway that answered.",
        (
            OPEN_PORT,
            ADDRESS_OF_NETWORK,
            TRY_AGAIN,
        ),
    ),
    "dns": Meaning(
        "{ca} found no usable address for {name} in the public DNS.",
        (
            DNS_RECORD,
            VISIBLE_EVERYWHERE,
            TRY_AGAIN,
        ),
    ),
    "caa": Meaning(
        "{caa_record} in the DNS forbids {ca} to issue certificates for {name}.",
        (
            (
                'At your DNS provider, add the record: {name} CAA 0 issue "letsencrypt.org", '
                "or remove the CAA records that name other CAs only."
            ),
            TRY_AGAIN,
        ),
        is_permanent=True,
    ),
    "incorrectResponse": Meaning(
        "{ca} received an answer from {name} that is not the expected one.",
        (OPEN_PORT, "Check that no proxy or cache changes what port 80 answers.", TRY_AGAIN),
    ),
    "tls": Meaning(
        "{ca} was led to an HTTPS server that did not answer properly.",
        ("Remove redirects from port 80 to HTTPS in front of this gateway.", TRY_AGAIN),
    ),
    "rateLimited": Meaning(
        "{ca} has received too many requests and asks to wait.",
        (WAIT,),
    ),
    "invalidProfile": Meaning(
        "{ca} does not offer the certificate profile that was asked for.",
        ("Choose another profile in the gateway's settings.", TRY_AGAIN),
        is_permanent=True,
    ),
    "rejectedIdentifier": Meaning(
        "{ca} does not issue certificates for {name} at all.",
        ("Choose another hostname.",),
        is_permanent=True,
    ),
    "unsupportedIdentifier": Meaning(
        "{ca} does not support this kind of name: {name}.",
        ("Use a full host name such as mx.example.org.",),
        is_permanent=True,
    ),
    "malformed": Meaning(
        "{ca} did not accept the request for {name}.",
        (CHECK_NAMES, TRY_AGAIN),
        is_permanent=True,
    ),
    "badCSR": Meaning(
        "{ca} did not accept the certificate request.",
        (OTHER_KEY, TRY_AGAIN),
        is_permanent=True,
    ),
    "badPublicKey": Meaning(
        "{ca} does not accept this kind of key.",
        (OTHER_KEY, TRY_AGAIN),
        is_permanent=True,
    ),
    "invalidContact": Meaning(
        "{ca} does not accept the contact email.",
        ("Enter another contact email in the gateway's settings.", TRY_AGAIN),
        is_permanent=True,
    ),
    "unsupportedContact": Meaning(
        "{ca} does not accept this kind of contact.",
        ("Enter a plain email address as contact email.", TRY_AGAIN),
        is_permanent=True,
    ),
    "externalAccountRequired": Meaning(
        "This CA wants an account that was arranged beforehand.",
        ("Use Let's Encrypt, which needs no such account.",),
        is_permanent=True,
    ),
    "userActionRequired": Meaning(
        "{ca} has new terms of service that must be agreed to first.",
        ("Open the gateway's settings, read the terms, agree and save.", TRY_AGAIN),
        is_permanent=True,
    ),
    "accountDoesNotExist": Meaning(
        "{ca} does not know this console's account any more; a new one is registered.",
        (TRY_AGAIN,),
    ),
    "compound": Meaning(
        "{ca} found several things wrong with the request for {name}.",
        (READ_DETAIL, TRY_AGAIN),
    ),
    "badSignatureAlgorithm": Meaning(
        "{ca} does not accept the way in which this version signs its requests.",
        ("Update Gateway Admin.", TRY_AGAIN),
        is_permanent=True,
    ),
    "alreadyRevoked": Meaning("The certificate has been revoked already.", (NOTHING,)),
    "badRevocationReason": Meaning(
        "{ca} does not accept this reason for a revocation.", (NOTHING,)
    ),
    "alreadyReplaced": Meaning(
        "{ca} has already issued a successor of the certificate in use.",
        (TRY_AGAIN,),
    ),
    "orderNotReady": Meaning("{ca} was not ready to issue yet.", (LATER,)),
    "badNonce": Meaning("{ca} kept refusing the request's anti-replay value.", (LATER,)),
    "serverInternal": Meaning("{ca} has an internal problem at the moment.", (LATER,)),
}
UNKNOWN = Meaning(
    "{ca} answered with an error that this version does not know.",
    (READ_DETAIL, TRY_AGAIN),
)
