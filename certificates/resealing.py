"""Seals what is stored anew with the newest key, column by column, and says what still is not.

Whatever it is interrupted in, each text opens with one of the keys that it was given.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from cryptography import x509
from django.db import connection, models, transaction

from certificates import accounts, keys, sealing, store
from certificates.models import Account, Certificate, CertificateRequest, Order
from certificates.policy.rotation import NAMED, Row
from challenges.problems import ProblemError

BATCH = 100
ROUNDS = 5


@dataclasses.dataclass(frozen=True)
class SealedColumn:
    """A column of sealed texts, and the one beside it that says what each is sealed for."""

    model: type[models.Model]
    name: str
    bound_to: str
    purpose: Callable[[str], str]

    @property
    def rows(self) -> models.QuerySet[models.Model]:
        """Those that hold something."""
        return self.model._default_manager.exclude(**{self.name: ""}).order_by("pk")

    def row(self, pk: int) -> Row:
        """One of them, for a sentence."""
        return Row(str(self.model._meta.verbose_name), pk)


def _of_request(csr_pem: str) -> str:
    return keys.sealing_purpose(x509.load_pem_x509_csr(csr_pem.encode()).public_key())


# A test finds every model's columns of this kind, so that none is left out.
SEALED = (
    SealedColumn(Account, "sealed_key", "thumbprint", accounts.sealing_purpose),
    SealedColumn(Certificate, "sealed_key", "chain_pem", store.sealing_purpose),
    SealedColumn(CertificateRequest, "sealed_key", "csr_pem", _of_request),
    SealedColumn(Order, "sealed_key", "csr_pem", _of_request),
)


def reseal(
    ring: Sequence[bytes], columns: Sequence[SealedColumn] = SEALED
) -> tuple[int, tuple[Row, ...]]:
    """Seal with the first key whatever is not; how many were, and which could not be opened.

    These stay as they are. Others may write meanwhile: what they store is never overwritten.
    """
    resealed = 0
    unopened: list[Row] = []
    for size in (BATCH, *([1] * (ROUNDS - 1))):
        unopened.clear()
        changed = sum(_reseal_column(column, ring, size, unopened) for column in columns)
        resealed += changed
        if size == 1 and not changed:
            break
    return resealed, tuple(sorted(unopened))


def sealed_with(ring: Sequence[bytes]) -> list[Row]:
    """The first rows of each kind that one of these keys has sealed."""
    found: list[Row] = []
    for column in SEALED:
        sealed = models.Q(pk__in=[])
        for key in ring:
            sealed |= models.Q(**{f"{column.name}__startswith": sealing.prefix(key)})
        numbers = column.rows.filter(sealed).values_list("pk", flat=True)[: NAMED + 1]
        found += (column.row(pk) for pk in numbers)
    return found


def _reseal_column(
    column: SealedColumn, ring: Sequence[bytes], size: int, unopened: list[Row]
) -> int:
    changed, last = 0, 0
    while True:
        with transaction.atomic():
            rows = list(_stale(column, ring[0], last, size))
            changed += sum(_reseal_row(column, ring, row, unopened) for row in rows)
        if not rows:
            return changed
        last = rows[-1][0]


def _stale(
    column: SealedColumn, newest: bytes, last: int, size: int
) -> models.QuerySet[models.Model, tuple[int, str, str]]:
    """The next rows that are not sealed with the newest key, locked where the database can.

    Several are taken together only if nobody else has them: whoever waits for one row while
    holding others can wait for ever. The few that are left are taken one at a time.
    """
    rows = column.rows.filter(pk__gt=last).exclude(
        **{f"{column.name}__startswith": sealing.prefix(newest)}
    )
    skip = size > 1 and connection.features.has_select_for_update_skip_locked
    return rows.select_for_update(skip_locked=skip).values_list("pk", column.name, column.bound_to)[
        :size
    ]


def _reseal_row(
    column: SealedColumn,
    ring: Sequence[bytes],
    row: tuple[int, str, str],
    unopened: list[Row],
) -> int:
    pk, sealed, bound_to = row
    try:
        purpose = column.purpose(bound_to)
        secret = sealing.unseal(sealed, purpose, tuple(ring))
    except (ProblemError, ValueError):
        unopened.append(column.row(pk))
        return 0
    fresh = sealing.seal(secret, purpose, tuple(ring))
    # Only while nobody has stored another secret: that one is not ours to replace.
    unchanged = column.model._default_manager.filter(pk=pk, **{column.name: sealed})
    return unchanged.update(**{column.name: fresh})
