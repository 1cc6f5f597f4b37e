"""The facts of a certificate chain, and whether it is the one that was wanted."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import itertools

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.utils import CryptographyDeprecationWarning

from certificates import keys
from certificates.policy.names import covers
from challenges.problems import Problem, ProblemError, Severity, legible_line

MAX_CHAIN_CERTIFICATES = 10
# Characters, as many as a row has place for.
_LONGEST_NAME = 500
# Far enough from the ends of the calendar that nothing that is reckoned with them leaves it, in
# whatever time zone it is shown.
EARLIEST = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
LATEST = datetime.datetime(9999, 1, 1, tzinfo=datetime.UTC)
# How the names of Let's Encrypt's staging CAs have begun, in lower case.
STAGING_ISSUERS = ("(staging)", "fake le ")
_UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    # Of a serial number that is not positive, where warnings are errors.
    CryptographyDeprecationWarning,
)


@dataclasses.dataclass(frozen=True)
class ChainFacts:
    """What is stored and shown of a chain. Times are UTC; serial and hashes hexadecimal."""

    chain_pem: str
    names: tuple[str, ...]
    subject: str
    issuer: str
    serial: str
    sha256: str
    key_type: str
    spki_sha256: str
    not_before: datetime.datetime
    not_after: datetime.datetime

    @property
    def sealing_purpose(self) -> str:
        """What the private key of this chain is sealed for."""
        return f"certificate-key:{self.spki_sha256}"


def split(text: bytes) -> list[x509.Certificate]:
    """The certificates of a PEM text in their order.

    Raises ProblemError when there is none, more than ten, or one that cannot be read.
    """
    try:
        chain = x509.load_pem_x509_certificates(text)
        for certificate in chain:
            look_inside(certificate)
            if reason := impropriety(certificate):
                raise ProblemError(_problem("certificate-unreadable", reason))
    except _UNREADABLE as error:
        raise ProblemError(_problem("certificate-unreadable", UNREADABLE, str(error))) from error
    if len(chain) > MAX_CHAIN_CERTIFICATES:
        raise ProblemError(_problem("chain-too-long", TOO_LONG))
    return chain


def facts(chain: list[x509.Certificate]) -> ChainFacts:
    """Everything that is worth knowing of a chain whose first certificate is the leaf."""
    leaf = chain[0]
    public_key = leaf.public_key()
    return ChainFacts(
        chain_pem=to_pem(chain),
        names=names_of(leaf),
        subject=whole_name(leaf.subject),
        issuer=short_name(leaf.issuer),
        serial=f"{leaf.serial_number:x}",
        sha256=leaf.fingerprint(hashes.SHA256()).hex(),
        key_type=keys.key_type_of(public_key),
        spki_sha256=keys.spki_sha256(public_key),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
    )


def to_pem(chain: list[x509.Certificate]) -> str:
    """The chain as PEM, one block after the other."""
    return "".join(
        certificate.public_bytes(serialization.Encoding.PEM).decode() for certificate in chain
    )


def csr_to_pem(csr: x509.CertificateSigningRequest) -> str:
    """The request as PEM."""
    return csr.public_bytes(serialization.Encoding.PEM).decode()


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """The DNS names of the subject alternative names, lower case; empty when it has none."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(name.lower() for name in extension.value.get_values_for_type(x509.DNSName))


def renewal_id(certificate: x509.Certificate) -> str:
    """What a CA knows the certificate by when asked about its renewal (RFC 9773 §4.1).

    Empty when the certificate does not name its issuer's key.
    """
    try:
        extension = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except (x509.ExtensionNotFound, *_UNREADABLE):
        return ""
    if not extension.value.key_identifier:
        return ""
    serial = certificate.serial_number
    # DER's integers are signed, so one whose first bit is set has a zero byte in front.
    serial_bytes = serial.to_bytes(serial.bit_length() // 8 + 1, "big", signed=True)
    return f"{_base64url(extension.value.key_identifier)}.{_base64url(serial_bytes)}"


def check_order(chain: list[x509.Certificate]) -> None:
    """Each certificate must have been issued by the next; raises ProblemError if not."""
    for certificate, issuer in itertools.pairwise(chain):
        if not is_issued_by(certificate, issuer):
            raise ProblemError(
                _problem(
                    "chain-out-of-order",
                    OUT_OF_ORDER,
                    f"{whole_name(certificate.subject)} was not issued by "
                    f"{whole_name(issuer.subject)}.",
                )
            )


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether name and signature say that the other certificate issued this one."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def check_key(chain: list[x509.Certificate], public_key: PublicKeyTypes) -> None:
    """The leaf must be for this key; raises ProblemError if not."""
    if keys.spki_sha256(chain[0].public_key()) != keys.spki_sha256(public_key):
        raise ProblemError(_problem("key-does-not-match", KEY_MISMATCH))


def check_names(chain_facts: ChainFacts, wanted: list[str]) -> None:
    """Every wanted name must be covered; raises ProblemError that names the missing ones."""
    missing = [name for name in wanted if not covers(chain_facts.names, name)]
    if missing:
        raise ProblemError(
            _problem(
                "names-do-not-match",
                f"The certificate is for {', '.join(chain_facts.names) or 'no host name'}; "
                f"it does not cover {', '.join(missing)}.",
            )
        )


def check_no_other_names(chain_facts: ChainFacts, wanted: list[str]) -> None:
    """No name may be there that was not asked for; raises ProblemError that names the others."""
    foreign = set(chain_facts.names) - {name.lower() for name in wanted}
    if foreign:
        raise ProblemError(
            _problem(
                "names-do-not-match",
                f"The certificate is also for {', '.join(sorted(foreign))}, "
                "which was not asked for.",
            )
        )


def check_not_staging(chain_facts: ChainFacts) -> None:
    """It must not come from Let's Encrypt's staging; raises ProblemError if it does."""
    if chain_facts.issuer.lower().startswith(STAGING_ISSUERS):
        raise ProblemError(
            _problem(
                "certificate-from-staging",
                f"The certificate was issued by {chain_facts.issuer}, which is for tests and which "
                "nobody trusts.",
            )
        )


def check_validity(chain_facts: ChainFacts, now: datetime.datetime) -> None:
    """It must be valid now, with an hour of tolerance at its start; raises ProblemError if not.

    CAs date certificates back by an hour and clocks differ, so a start just ahead is no fault.
    """
    if chain_facts.not_after <= now:
        raise ProblemError(
            _problem(
                "certificate-expired",
                f"The certificate expired on {chain_facts.not_after:%Y-%m-%d %H:%M} UTC.",
            )
        )
    if chain_facts.not_before > now + datetime.timedelta(hours=1):
        raise ProblemError(
            _problem(
                "certificate-not-yet-valid",
                f"The certificate is valid only from {chain_facts.not_before:%Y-%m-%d %H:%M} UTC.",
            )
        )


UNREADABLE = "This is not a certificate in PEM form, or it is damaged."
TOO_LONG = f"The chain holds more than {MAX_CHAIN_CERTIFICATES} certificates."
OUT_OF_ORDER = "The certificates of the chain are not in order: one was not issued by the next."
KEY_MISMATCH = "The private key does not belong to the certificate."


_REMEDIES = {
    "certificate-unreadable": "Fetch it again from where it was issued.",
    "chain-too-long": "Leave out the certificates that do not belong to this chain.",
    "chain-out-of-order": "Use the chain that the CA gave with this certificate.",
    "key-does-not-match": "Use the private key that was made for this certificate.",
    "names-do-not-match": "Use a certificate for the gateway's hostnames and no others.",
    "certificate-from-staging": "Use a certificate of a CA that mail servers and clients trust.",
    "certificate-expired": "Get a new one from where it was issued and bring that in.",
    "certificate-not-yet-valid": "Use it then, or correct this machine's clock if that is wrong.",
}


def _problem(code: str, explanation: str, detail: str = "") -> Problem:
    return Problem(
        code=code,
        severity=Severity.ERROR,
        explanation=explanation,
        remedy=(_REMEDIES[code],),
        detail=detail,
    )


def look_inside(certificate: x509.Certificate) -> None:
    """Raise now what the library would raise only where the part is used."""
    certificate.public_key()
    _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    for name in (certificate.subject, certificate.issuer):
        name.rfc4514_string()
    names_of(certificate)


def impropriety(certificate: x509.Certificate) -> str:
    """Why the certificate cannot be kept though it can be read, in a sentence; else empty."""
    if certificate.serial_number <= 0:  # RFC 5280 §4.1.2.2
        return "A certificate has zero or a negative number as its serial number."
    moments = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not all(EARLIEST <= moment < LATEST for moment in moments):
        return "A certificate is valid from before the year 1970 or until after the year 9998."
    return ""


def short_name(name: x509.Name) -> str:
    """The common name; else the organization; else the whole name. Legible, on one line."""
    for oid in (x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATION_NAME):
        if attributes := name.get_attributes_for_oid(oid):
            return legible_line(str(attributes[0].value), _LONGEST_NAME)
    return whole_name(name)


def whole_name(name: x509.Name) -> str:
    """All parts of it (RFC 4514), legible, on one line."""
    return legible_line(name.rfc4514_string(), _LONGEST_NAME)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
