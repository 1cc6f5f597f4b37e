"""Follows files that another tool renews: what is new in them becomes the next version.

The certificate that was in use before stays in use until the new one has passed every check.
"""

from __future__ import annotations

import datetime
import logging
import threading
from collections.abc import Sequence

from django.db import transaction

from certificates import adding, clock, deploying, events, importing, versions, watched_files
from certificates.models import Certificate, FollowedFiles, Gateway, Level, Origin
from certificates.policy import selecting
from certificates.watched_files import Question, Seen, paths_of
from challenges.problems import Problem, ProblemError, Severity

logger = logging.getLogger("gateway_admin.following")

# Tools write certificate and key one after the other, so what does not fit is given this long.
SETTLING = datetime.timedelta(minutes=1)
# What is wrong may pass without a change of the files: names are edited, a certificate that was
# not yet valid becomes so.
AGAIN = datetime.timedelta(minutes=5)
# The files' state while they are settling: like no state that files have.
_UNSETTLED = "?"

_looking = threading.Lock()


def follow(
    gateway: Gateway,
    certificate_path: str,
    key_path: str,
    now: datetime.datetime,
    by: str = "",
) -> FollowedFiles:
    """Use what is in the files, now and whenever it changes.

    ``key_path`` is empty where the key is in the certificate's file. Raises ProblemError, with
    nothing stored, when the files cannot be read or the certificate in them cannot be used.
    """
    paths = paths_of(certificate_path, key_path)
    questions: dict[int | str, Question] = {
        "\n".join(paths): Question(paths, watched_files.bounds())
    }
    ((_, seen),) = watched_files.look(questions)
    imported = _imported(seen, now)
    with deploying.changing(gateway.pk) as row:
        certificate = _stored(row, imported)
        if certificate is None:
            certificate, _ = adding.add_imported(row, imported, now, by)
        if row.uses_lets_encrypt or row.selected_certificate_id != certificate.pk:
            deploying.select(certificate, row, now, by)
        followed, _ = FollowedFiles.objects.update_or_create(
            gateway=row,
            defaults={
                "certificate_path": certificate_path,
                "key_path": key_path,
                "signature": seen.signature,
                "certificate": certificate,
                "problem_facts": None,
                "checked_at": now,
                "changed_at": now,
            },
        )
        events.record(
            "files-followed",
            f"The certificate of {row} follows {_named(paths)} from now on{events.by_whom(by)}.",
            gateway=row,
            at=now,
        )
    return followed


def stop(gateway: Gateway, now: datetime.datetime, by: str = "") -> bool:
    """Follow no files any more; the certificate in use stays. Returns whether any were followed."""
    with transaction.atomic():
        # The gateway's row first, as in every change of what it has.
        Gateway.objects.select_for_update().get(pk=gateway.pk)
        row = FollowedFiles.objects.select_for_update().filter(gateway=gateway).first()
        if row is None:
            return False
        named = _named([path for path in (row.certificate_path, row.key_path) if path])
        row.delete()
        events.record(
            "files-no-longer-followed",
            f"The certificate of {gateway} no longer follows {named}{events.by_whom(by)}. "
            "What is in use stays in use.",
            gateway=gateway,
            at=now,
        )
    return True


def look(now: datetime.datetime) -> int:
    """Look at all files that are followed; returns how many new certificates were found.

    While no file has changed: two queries, and no content is read. Only one look at a time in a
    process, and none while the clock cannot be believed.
    """
    if not _looking.acquire(blocking=False):
        return 0
    try:
        return _look(now) if clock.problem(now) is None else 0
    finally:
        _looking.release()


def _look(now: datetime.datetime) -> int:
    rows = {row.pk: row for row in FollowedFiles.objects.select_related("gateway")}
    within = watched_files.bounds()
    questions: dict[int | str, Question] = {
        pk: Question(
            tuple(path for path in (row.certificate_path, row.key_path) if path),
            within,
            known="" if _is_to_be_read(row, now) else row.signature,
        )
        for pk, row in rows.items()
    }
    others: list[int] = []
    found = 0
    for key, seen in watched_files.look(questions):
        if not seen.is_unchanged:
            row = rows[int(key)]
            others.append(row.pk)
            found += _judge(row, seen, now)
    # Of those with a problem it says when they were last read.
    well = FollowedFiles.objects.filter(pk__in=rows, problem_facts__isnull=True)
    if len(others) < len(rows):
        well.exclude(pk__in=others).update(checked_at=now)
    return found


def _is_to_be_read(row: FollowedFiles, now: datetime.datetime) -> bool:
    """Whether it has been wrong long enough to be tried again unchanged."""
    if row.problem_facts is None or row.checked_at is None:
        return False
    return not datetime.timedelta(0) <= now - row.checked_at < AGAIN


def _judge(row: FollowedFiles, seen: Seen, now: datetime.datetime) -> int:
    """How many new certificates the files held. What is wrong with these concerns no others."""
    try:
        try:
            return _take(row, _imported(seen, now), seen.signature, now)
        except ProblemError as error:
            _keep_problem(row, seen.signature, error.problem, now)
    except Exception:
        logger.exception("The files that gateway %s follows could not be judged.", row.gateway_id)
    return 0


def _imported(seen: Seen, now: datetime.datetime) -> importing.ImportedCertificate:
    if seen.problem is not None:
        raise ProblemError(seen.problem)
    return importing.read(seen.contents, now=now)


def _take(
    row: FollowedFiles,
    imported: importing.ImportedCertificate,
    signature: str,
    now: datetime.datetime,
) -> int:
    """Keep what was read; whatever it is that is wrong with it, nothing is changed then."""
    with deploying.changing(row.gateway_id) as gateway:
        current = _current(row)
        if current is None:
            return 0
        known = current.certificate
        certificate = _version(gateway, known, imported, now)
        is_new = certificate != known
        FollowedFiles.objects.filter(pk=current.pk).update(
            signature=signature,
            certificate=certificate,
            problem_facts=None,
            checked_at=now,
            changed_at=now if is_new else current.changed_at,
        )
        if is_new:
            _tell_of(certificate, gateway, now)
        elif current.problem_facts is not None:
            events.record(
                "followed-files-in-order",
                f"The files that {gateway} follows are in order again.",
                gateway=gateway,
                at=now,
            )
    return int(is_new)


def _version(
    gateway: Gateway,
    known: Certificate | None,
    imported: importing.ImportedCertificate,
    now: datetime.datetime,
) -> Certificate:
    """The certificate that the files hold, in use if any version of the one before it was."""
    if known is not None and known.sha256 == imported.chain.sha256:
        return known
    line = versions.line(known) if known is not None else []
    is_used = selecting.takes_over(gateway.selected_certificate_id, line)
    certificate = _stored(gateway, imported)
    if certificate is None:
        before = versions.fetch(line[:1])
        certificate, _ = adding.add_imported(
            gateway, imported, now, replaces=before[0] if before else None
        )
    _require_selectable(certificate, gateway, now)
    in_use = Gateway.objects.values_list("selected_certificate", flat=True).get(pk=gateway.pk)
    if is_used and in_use != certificate.pk:
        # One that was here already: the tool has put an older version back.
        deploying.put_to_use(gateway, certificate)
    return certificate


def _stored(gateway: Gateway, imported: importing.ImportedCertificate) -> Certificate | None:
    """The same certificate, if it is here: an older version, or one that somebody brought in."""
    found = Certificate.objects.filter(gateway=gateway, sha256=imported.chain.sha256).first()
    if found is not None and found.origin == Origin.LETS_ENCRYPT:
        raise ProblemError(_our_own(gateway))
    return found


def _require_selectable(certificate: Certificate, gateway: Gateway, now: datetime.datetime) -> None:
    if problem := deploying.why_not_selectable(certificate, gateway, now):
        raise ProblemError(problem)


def _keep_problem(
    row: FollowedFiles, signature: str, cause: Problem, now: datetime.datetime
) -> None:
    """A current warning once it has lasted; a line of the log only when it is news."""
    with transaction.atomic():
        # The gateway's row first, as in every change of what it has.
        Gateway.objects.select_for_update().filter(pk=row.gateway_id).first()
        current = _current(row)
        if current is None:
            return
        same = FollowedFiles.objects.filter(pk=current.pk)
        known = Problem.from_json(current.problem_facts) if current.problem_facts else None
        if known is None and not _has_lasted(current, now):
            since = current.changed_at if current.signature == _UNSETTLED else now
            same.update(signature=_UNSETTLED, changed_at=since, checked_at=now)
            return
        wrong = _wrong(row.gateway, cause)
        same.update(signature=signature, problem_facts=wrong.to_json(), checked_at=now)
        if known is None or known.explanation != wrong.explanation:
            events.record(
                wrong.code,
                wrong.explanation,
                level=Level.WARNING,
                gateway=row.gateway,
                detail=wrong.detail,
                at=now,
            )


def _has_lasted(row: FollowedFiles, now: datetime.datetime) -> bool:
    """Whether the files have been settling for so long that they will not any more."""
    if row.signature != _UNSETTLED or row.changed_at is None:
        return False
    return not datetime.timedelta(0) <= now - row.changed_at < SETTLING


def _current(row: FollowedFiles) -> FollowedFiles | None:
    """The row as it is now, held; None if it follows other files or none meanwhile."""
    return (
        FollowedFiles.objects.select_for_update()
        .filter(pk=row.pk, certificate_path=row.certificate_path, key_path=row.key_path)
        .first()
    )


def _tell_of(certificate: Certificate, gateway: Gateway, now: datetime.datetime) -> None:
    in_use = Gateway.objects.filter(pk=gateway.pk, selected_certificate=certificate).exists()
    whether = (
        "It is in use."
        if in_use
        else "It was stored but not put to use, because another certificate is selected."
    )
    events.record(
        "followed-files-changed",
        f"The files that {gateway} follows hold a new certificate, valid until "
        f"{certificate.not_after:%Y-%m-%d %H:%M} UTC. {whether}",
        gateway=gateway,
        detail=f"Issuer: {certificate.issuer}\nSerial: {certificate.serial}",
        at=now,
    )


def _wrong(gateway: Gateway, cause: Problem) -> Problem:
    """The cause as a warning of the gateway; what is wrong with the files has their own code."""
    code = "followed-files-unusable"
    return Problem(
        code=code,
        severity=Severity.WARNING,
        explanation=(
            f"The files that {gateway} follows cannot be used: {cause.explanation} "
            "The certificate in use stays."
        ),
        remedy=cause.remedy,
        detail=f"{cause.code}\n{cause.detail}".strip(),
        retryable=True,
    )


def _our_own(gateway: Gateway) -> Problem:
    return Problem(
        code="followed-files-are-our-own",
        severity=Severity.ERROR,
        explanation=(
            f"The certificate in these files is one that came to {gateway} from Let's Encrypt "
            "and that this console renews itself, so there is nothing to follow."
        ),
        remedy=(
            "Use the certificate that is here already.",
            "If the other tool is to go on renewing it, follow the files once that has renewed it.",
        ),
    )


def _named(paths: Sequence[str]) -> str:
    return " and ".join(paths)
