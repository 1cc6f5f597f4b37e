"""What is worth knowing of a chain and does not forbid storing it."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from certificates import pem
from certificates.parsing import refusals
from certificates.parsing.chains import WEAK_HASHES
from challenges.problems import Problem, ProblemError, Severity, legible

# Of texts that somebody else wrote.
_LONGEST_NAME = 100
_LONGEST_ADDRESS = 300
_MOST_LISTED = 4
# What TLS clients know (RFC 8446 §4.2.7; RFC 8422 took the others out).
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_SERVER = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
_NO_EXTENSION = (
    ValueError,
    UnsupportedAlgorithm,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


def of_chain(
    chain: Sequence[x509.Certificate],
    left_out: Sequence[x509.Certificate],
    chain_facts: pem.ChainFacts,
    now: datetime.datetime,
) -> tuple[Problem, ...]:
    """The notes, the worst first as far as they forbid the use."""
    found = [
        *_failed(lambda: pem.check_not_staging(chain_facts)),
        *_failed(lambda: pem.check_validity(chain_facts, now)),
        *_of_issuers(chain, left_out, now),
        *_of_strength(chain),
        *_of_purpose(chain[0]),
        *_of_left_out(left_out),
    ]
    return tuple(found)


def missing_issuer(
    chain: Sequence[x509.Certificate], left_out: Sequence[x509.Certificate] = ()
) -> Problem | None:
    """The note that a chain ends too early; None when, for all that can be known, it does not."""
    if not _is_incomplete(chain, left_out):
        return None
    address = issuer_address(chain[-1])
    place = f", which its issuer offers at {address}" if address else ""
    return _note(
        "chain-incomplete",
        f"The certificate of the issuer “{_name(chain[-1].issuer)}” is missing{place}.",
        "Fetch the chain, also called the intermediate or the CA bundle, from where the "
        "certificate was issued, and import all of it together. Without it many mail servers "
        "do not trust the certificate.",
    )


def _failed(check: Callable[[], None]) -> Iterator[Problem]:
    try:
        check()
    except ProblemError as error:
        yield error.problem


def _of_issuers(
    chain: Sequence[x509.Certificate],
    left_out: Sequence[x509.Certificate],
    now: datetime.datetime,
) -> Iterator[Problem]:
    if missing := missing_issuer(chain, left_out):
        yield missing
    expired = [item for item in chain[1:] if item.not_valid_after_utc <= now]
    if expired:
        yield _note(
            "issuer-expired",
            f"The issuer's certificate “{_name(expired[0].subject)}” in the chain expired on "
            f"{expired[0].not_valid_after_utc:%Y-%m-%d}.",
            "Fetch the chain again from where the certificate was issued.",
        )


def _is_incomplete(chain: Sequence[x509.Certificate], left_out: Sequence[x509.Certificate]) -> bool:
    """As far as can be known without the roots that others trust.

    No public CA issues below its root directly, and whoever adds a root has all in between.
    """
    if chain[-1].issuer == chain[-1].subject:
        return False
    if any(item.subject == chain[-1].issuer for item in left_out):
        return False  # its root, which nobody needs to be sent
    return len(chain) == 1 or any(item.issuer == item.subject for item in left_out)


def _of_strength(chain: Sequence[x509.Certificate]) -> Iterator[Problem]:
    for item in chain:
        key = item.public_key()
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < refusals.MIN_RSA_BITS:
            yield _weak_key(item, f"an RSA key of {key.key_size} bits")
        elif isinstance(key, ec.EllipticCurvePublicKey) and not isinstance(key.curve, _CURVES):
            yield _weak_key(item, f"a key on the curve {key.curve.name}")
    # Nobody checks the signature that a root makes below itself.
    for item in chain:
        if item.issuer != item.subject and (weak := _weak_hash(item)):
            yield _note(
                "weak-signature",
                f"The certificate “{_name(item.subject)}” is signed with {weak}, which is not "
                "safe any more.",
                "Have a new certificate issued; many mail servers refuse this one.",
            )


def _weak_key(certificate: x509.Certificate, what: str) -> Problem:
    return _note(
        "weak-key",
        f"The certificate “{_name(certificate.subject)}” has {what}, which is outdated or "
        "unknown to many mail servers.",
        "Have a certificate issued for an ECDSA key on P-256 or an RSA key of 2048 bits or more.",
    )


def _weak_hash(certificate: x509.Certificate) -> str:
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return ""
    if not isinstance(algorithm, WEAK_HASHES):
        return ""
    return algorithm.name.upper().replace("SHA1", "SHA-1")


def _of_purpose(leaf: x509.Certificate) -> Iterator[Problem]:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except _NO_EXTENSION:
        return
    if not any(purpose in usage for purpose in _SERVER):
        yield _note(
            "certificate-for-no-server",
            "The certificate is not meant for servers: its extended key usage lacks serverAuth.",
            "Have a TLS server certificate issued; clients refuse this one.",
        )


def _of_left_out(left_out: Sequence[x509.Certificate]) -> Iterator[Problem]:
    if not left_out:
        return
    names = ", ".join(f"“{_name(item.subject)}”" for item in left_out[:_MOST_LISTED])
    more = f" and {len(left_out) - _MOST_LISTED} more" if len(left_out) > _MOST_LISTED else ""
    yield Problem(
        code="certificates-left-out",
        severity=Severity.INFO,
        explanation=f"Left out, because the chain does not need it: {names}{more}.",
        remedy=("Nothing, unless you miss it in the chain.",),
    )


def _note(code: str, explanation: str, remedy: str) -> Problem:
    return Problem(code=code, severity=Severity.WARNING, explanation=explanation, remedy=(remedy,))


def _name(name: x509.Name) -> str:
    """What a certificate calls somebody: hostile text on one line."""
    for oid in (x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATION_NAME):
        if attributes := name.get_attributes_for_oid(oid):
            return _one_line(str(attributes[0].value), _LONGEST_NAME)
    return _one_line(name.rfc4514_string(), _LONGEST_NAME)


def issuer_address(certificate: x509.Certificate) -> str:
    """Where the certificate says that its issuer's is to be had; never fetched."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess)
    except _NO_EXTENSION:
        return ""
    for description in access.value:
        place = description.access_location
        if description.access_method == AuthorityInformationAccessOID.CA_ISSUERS and (
            isinstance(place, x509.UniformResourceIdentifier)
        ):
            return _one_line(place.value, _LONGEST_ADDRESS)
    return ""


def _one_line(text: str, longest: int) -> str:
    return legible(text, longest).replace("\n", " ").strip()
