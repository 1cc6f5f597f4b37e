"""Reads files into one checked certificate with its chain and key, or says what is wrong."""

from __future__ import annotations

import dataclasses
import datetime
import warnings
from collections.abc import Callable, Collection, Sequence

from cryptography import x509

from certificates import keys, pem
from certificates.parsing import chains, containers, costs, notes, pfx, private_keys, refusals
from certificates.parsing.messages import ImportedCertificate
from challenges.problems import Problem, ProblemError

# What a row has place for.
_LONGEST_SERIAL = 64
_FOR_CERTIFICATES = frozenset({refusals.REQUEST_INSTEAD.code, refusals.REVOCATION_LIST.code})
_FOR_KEYS = frozenset(
    problem.code
    for problem in (
        refusals.PUBLIC_KEY,
        refusals.OPENSSH_KEY,
        refusals.PUTTY_KEY,
        refusals.PGP_KEY,
    )
)


@dataclasses.dataclass
class _Found:
    """What all files hold, opened."""

    certificates: list[bytes] = dataclasses.field(default_factory=list)
    # By the public half, with the number of the file.
    opened_keys: dict[str, tuple[int, keys.PrivateKey]] = dataclasses.field(default_factory=dict)
    strangers: list[Problem] = dataclasses.field(default_factory=list)

    # Whether there is a key, opened or not, or a certificate.
    has_parts: bool = False

    def add_key(self, key: keys.PrivateKey, file: int) -> None:
        """The same key again is no second one."""
        self.opened_keys.setdefault(keys.spki_sha256(key.public_key()), (file, key))


def read(
    files: Sequence[bytes],
    password: str | None,
    known_keys: Collection[str],
    now: datetime.datetime,
) -> ImportedCertificate:
    """The certificate, its chain and its key. Raises ProblemError with the one thing wrong.

    Changes how warnings are treated while it runs, so no two threads may call it at once.
    """
    with warnings.catch_warnings():
        # What is odd in a certificate is told in the notes.
        warnings.simplefilter("ignore")
        return _read(files, password, known_keys, now)


def _read(
    files: Sequence[bytes],
    password: str | None,
    known_keys: Collection[str],
    now: datetime.datetime,
) -> ImportedCertificate:
    found = _open(files, password)
    if not found.certificates:
        raise ProblemError(_missing(found, refusals.NO_CERTIFICATE, _FOR_KEYS))
    key = _only_key(found)
    if key is None and not known_keys:
        raise ProblemError(_missing(found, refusals.NO_KEY, _FOR_CERTIFICATES))
    certificates = chains.load(found.certificates)
    leaf = _leaf(certificates, key, known_keys, found, now)
    chain = chains.in_order(certificates, leaf, now)
    left_out = [item for item in certificates if item not in chain]
    chain_facts = _storable(chain)
    return ImportedCertificate(
        chain=chain_facts,
        key_der=None if key is None else keys.to_der(key),
        notes=notes.of_chain(chain, left_out, chain_facts, now),
    )


def _open(files: Sequence[bytes], password: str | None) -> _Found:
    found = _Found()
    opened = [containers.look_into(content) for content in files]
    _check_costs(opened, password)
    for number, contents in enumerate(opened):
        found.certificates += contents.certificates
        found.strangers += contents.strangers
        for data in contents.pfx:
            bundle = pfx.open_pfx(data, password)
            if bundle.key_count > 1:
                raise ProblemError(refusals.several_keys(bundle.key_count, in_one_file=True))
            found.certificates += bundle.certificates
            if bundle.key is not None:
                found.add_key(bundle.key, number)
    stored = {key: number for number, item in enumerate(opened) for key in item.keys}
    found.has_parts = bool(found.certificates or found.opened_keys or stored)
    if not found.certificates:
        return found
    for key, number in stored.items():
        found.add_key(private_keys.open_key(key, password), number)
    return found


def _check_costs(opened: Sequence[containers.Contents], password: str | None) -> None:
    """Nothing is tried whose cost, all in all, is beyond measure. Raises ProblemError."""
    encrypted = {key.data for item in opened for key in item.keys if key.is_derived}
    bundles = {data for item in opened for data in item.pfx}
    spellings = len(list(private_keys.spellings(password or "")))
    cost = sum(_cost(costs.of_pfx, data, refusals.PFX_UNREADABLE) for data in bundles)
    if password:
        cost += spellings * sum(
            _cost(costs.of_key, data, refusals.KEY_UNREADABLE) for data in encrypted
        )
    if cost > costs.MAX_ROUNDS:
        raise ProblemError(refusals.TOO_COSTLY)


def _cost(count: Callable[[bytes], int], data: bytes, damaged: Problem) -> int:
    try:
        return count(data)
    except ValueError:
        raise ProblemError(damaged) from None


def _only_key(found: _Found) -> keys.PrivateKey | None:
    if len(found.opened_keys) > 1:
        places = {file for file, _ in found.opened_keys.values()}
        raise ProblemError(
            refusals.several_keys(len(found.opened_keys), in_one_file=len(places) == 1)
        )
    return next((key for _, key in found.opened_keys.values()), None)


def _missing(found: _Found, usual: Problem, not_these: Collection[str]) -> Problem:
    """What is there instead of what is missing, if that says more."""
    telling = [item for item in found.strangers if item.code not in not_these]
    if not telling and not found.has_parts:
        telling = found.strangers
    return telling[0] if telling else usual


def _leaf(
    certificates: list[x509.Certificate],
    key: keys.PrivateKey | None,
    known_keys: Collection[str],
    found: _Found,
    now: datetime.datetime,
) -> x509.Certificate:
    if key is None:
        leaf = chains.leaf_of(certificates, known_keys, now)
        if leaf is None:
            raise ProblemError(_missing(found, refusals.NO_KEPT_KEY, _FOR_CERTIFICATES))
        return leaf
    leaf = chains.leaf_of(certificates, {keys.spki_sha256(key.public_key())}, now)
    if leaf is None:
        raise ProblemError(refusals.KEY_DOES_NOT_MATCH)
    if not private_keys.belongs_to(key, leaf.public_key()):
        raise ProblemError(refusals.KEY_UNREADABLE)
    return leaf


def _storable(chain: list[x509.Certificate]) -> pem.ChainFacts:
    """The facts, with texts that any database takes. Raises ProblemError."""
    for certificate in chain:
        if sentence := pem.impropriety(certificate):
            raise ProblemError(refusals.improper(sentence))
    found = pem.facts(chain)
    names_are_proper = all(name.isprintable() and " " not in name for name in found.names)
    if not names_are_proper or len(found.serial) > _LONGEST_SERIAL:
        raise ProblemError(refusals.CERTIFICATE_UNREADABLE)
    return found
