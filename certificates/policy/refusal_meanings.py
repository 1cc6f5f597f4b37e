"""The sentences for a refused request and for a CA in trouble, by what its words come to."""

from __future__ import annotations

from certificates.policy.acme_kinds import Kind
from certificates.policy.acme_meanings import Meaning
from certificates.policy.acme_steps import (
    BY_ITSELF,
    CHECK_NAMES,
    LATER,
    OTHER_KEY,
    TRY_AGAIN,
    UNPAUSE,
    WAIT,
)

REFUSAL_MEANINGS: dict[Kind, Meaning] = {
    Kind.LIMIT_EXACT_SET: Meaning(
        "{ca} has issued as many certificates for exactly these names as it does in a week.",
        (
            WAIT,
            "Use a certificate that was issued before; it is on the gateway's page.",
            (
                "If one is needed at once, change the additional hostnames: another set of names "
                "has a limit of its own."
            ),
        ),
    ),
    Kind.LIMIT_DOMAIN: Meaning(
        "{ca} has issued as many certificates for {zone} and the names below it as it does in a "
        "week. Certificates that others obtain for this domain count as well.",
        (
            WAIT,
            "Put several hostnames into one certificate, or ask Let's Encrypt for a higher limit.",
        ),
    ),
    Kind.LIMIT_FAILURES: Meaning(
        "{ca} takes no more orders for {name} for now, because its check of this name has failed "
        "too often within an hour.",
        ("Find out from the log why the checks failed, and put that right.", WAIT),
    ),
    Kind.LIMIT_ORDERS: Meaning(
        "{ca} has received as many orders from this console as it takes in three hours.",
        (WAIT, BY_ITSELF),
    ),
    Kind.LIMIT_ACCOUNTS: Meaning(
        "{ca} has registered as many new accounts from this network's address as it does in three "
        "hours.",
        (
            WAIT,
            "If other ACME clients in this network keep making accounts, have them keep theirs.",
        ),
    ),
    Kind.LIMIT_PENDING: Meaning(
        "{ca} has too many unfinished checks of names open for this console.",
        (WAIT, BY_ITSELF),
    ),
    Kind.BUSY: Meaning("{ca} is busy and asks to come back later.", (WAIT, BY_ITSELF)),
    # Let's Encrypt says "rateLimited" and means that waiting will not help.
    Kind.PAUSED: Meaning(
        "{ca} issues no more certificates for {name} to this console, because very many attempts "
        "have failed.",
        (
            "Find out from the log why the attempts failed, and put that right.",
            UNPAUSE,
            TRY_AGAIN,
        ),
        is_permanent=True,
    ),
    Kind.NAME_FORBIDDEN: Meaning(
        "{ca} issues no certificates for {name}: its policy forbids the name, as it does for "
        "names of cloud providers and for some well-known ones.",
        ("Choose a hostname in a domain of your own.",),
    ),
    Kind.NAME_NOT_PUBLIC: Meaning(
        "{ca} issues no certificates for {name}: its ending does not exist in the public DNS, or "
        "it is nothing but an ending.",
        ("Use a name in a domain that is registered to you, such as mx.example.org.", TRY_AGAIN),
    ),
    Kind.NAME_IS_ADDRESS: Meaning(
        "{ca} does not issue this kind of certificate for an IP address.",
        ("Enter a hostname that has this address in the public DNS.", TRY_AGAIN),
    ),
    Kind.NAME_INVALID: Meaning(
        "{ca} does not accept {name} as a hostname.",
        (CHECK_NAMES, TRY_AGAIN),
    ),
    Kind.TOO_MANY_NAMES: Meaning(
        "{ca} does not put so many names into one certificate.",
        ("Remove additional hostnames, or choose the profile Classic.", TRY_AGAIN),
    ),
    Kind.CSR_KEY: Meaning(
        "{ca} does not accept the key in the certificate request.",
        (OTHER_KEY, TRY_AGAIN),
    ),
    Kind.KEY_IS_ACCOUNT_KEY: Meaning(
        "{ca} does not accept a certificate key that is the key of the account as well.",
        ("Choose another key type in the gateway's settings, which makes a new key.", TRY_AGAIN),
    ),
    Kind.CONTACT_DOMAIN: Meaning(
        "{ca} does not accept the domain of the contact email.",
        ("Enter an email address of a real domain in the gateway's settings.", TRY_AGAIN),
    ),
    Kind.ACCOUNT_CLOSED: Meaning(
        "{ca} has closed this console's account; a new one is registered.", (TRY_AGAIN,)
    ),
    Kind.MAINTENANCE: Meaning(
        "{ca} is down for maintenance or has an internal problem.",
        ("Nothing is wrong here; see the CA's status page, and wait.",),
    ),
    Kind.PERSPECTIVE_FAILED: Meaning(
        "{ca} could not finish its own check of {name}: one of the places that it checks from had "
        "a problem.",
        (LATER,),
    ),
    Kind.TRANSPARENCY_LOGS: Meaning(
        "{ca} could not enter the certificate into the public logs that it needs.", (LATER,)
    ),
}
