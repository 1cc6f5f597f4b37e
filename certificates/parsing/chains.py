"""Puts certificates in order: the leaf first, each issued by the next, without strangers."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from certificates import keys, pem
from certificates.parsing import refusals
from certificates.policy.validity import Validity, validity
from challenges.problems import ProblemError

# The library does not verify these any more; what they are worth is told in a note.
WEAK_HASHES = (hashes.SHA1, hashes.MD5)
OUT_OF_TIME = (Validity.EXPIRED, Validity.NOT_YET)
_UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    ProblemError,
)


def load(encoded: Sequence[bytes]) -> list[x509.Certificate]:
    """The certificates, each once, in their order. Raises ProblemError."""
    distinct = list(dict.fromkeys(encoded))
    if len(distinct) > refusals.MAX_CERTIFICATES:
        raise ProblemError(refusals.TOO_MANY_CERTIFICATES)
    try:
        # Through PEM, as it is stored: what stands behind a certificate is lost there.
        text = pem.to_pem([x509.load_der_x509_certificate(data) for data in distinct])
        certificates = x509.load_pem_x509_certificates(text.encode())
        for item in certificates:
            pem.look_inside(item)
    except _UNREADABLE:
        raise ProblemError(refusals.CERTIFICATE_UNREADABLE) from None
    return certificates


def leaf_of(
    certificates: Sequence[x509.Certificate],
    spki_sha256: Collection[str],
    now: datetime.datetime,
) -> x509.Certificate | None:
    """The certificate for one of the keys: of several one that is valid now, then the latest."""
    found = [item for item in certificates if keys.spki_sha256(item.public_key()) in spki_sha256]
    return max(
        found, key=lambda item: (_is_usable(item, now), item.not_valid_before_utc), default=None
    )


def _is_usable(certificate: x509.Certificate, now: datetime.datetime) -> bool:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    standing = validity(begin, end, now)
    return not pem.impropriety(certificate) and standing not in OUT_OF_TIME


def in_order(
    certificates: Sequence[x509.Certificate], leaf: x509.Certificate, now: datetime.datetime
) -> list[x509.Certificate]:
    """The leaf, then issuer after issuer. Raises ProblemError.

    A root at the end is kept where it was given: what is trusted by DANE (RFC 7671 §5.2.1) or by
    clients of a private CA may need it. One that is improper is left out, as some old roots have
    the serial number zero and still come with the certificates of their CAs.
    """
    chain = [leaf]
    others = [item for item in certificates if item is not leaf and not _is_improper_root(item)]
    while chain[-1].issuer != chain[-1].subject:
        named = [item for item in others if item.subject == chain[-1].issuer]
        if not named:
            break
        signed = [item for item in named if is_issued_by(chain[-1], item)]
        if not signed:
            raise ProblemError(refusals.OUT_OF_ORDER)
        # Of a CA's certificates for one key, by several issuers, one that has not expired.
        issuer = next((item for item in signed if item.not_valid_after_utc > now), signed[0])
        others.remove(issuer)
        chain.append(issuer)
    return chain


def _is_improper_root(certificate: x509.Certificate) -> bool:
    return certificate.issuer == certificate.subject and bool(pem.impropriety(certificate))


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether name and signature say so, outdated signatures included."""
    if pem.is_issued_by(certificate, issuer):
        return True
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return False
    if certificate.issuer != issuer.subject or not isinstance(algorithm, WEAK_HASHES):
        return False
    signed = (certificate.signature, certificate.tbs_certificate_bytes)
    public_key = issuer.public_key()
    try:
        if isinstance(public_key, rsa.RSAPublicKey):
            public_key.verify(*signed, padding.PKCS1v15(), algorithm)
            return True
        if isinstance(public_key, ec.EllipticCurvePublicKey):
            public_key.verify(*signed, ec.ECDSA(algorithm))
            return True
    except (ValueError, InvalidSignature, UnsupportedAlgorithm):
        pass
    return False
