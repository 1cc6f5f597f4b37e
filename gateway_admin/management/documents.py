"""The JSON documents of the operator's commands. Times are ISO 8601 in UTC; keys are a promise."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from certificates.models import (
    Certificate,
    CertificateRequest,
    Event,
    FollowedFiles,
    Issuance,
    Preflight,
)
from certificates.policy.health import PartStatus
from certificates.policy.issuance import stages as stages_of
from certificates.queries import GatewaySummary
from certificates.taking_over import TakenOver
from challenges.problems import Problem


def moment(value: datetime.datetime | None) -> str | None:
    """ISO 8601 in UTC, or null."""
    if value is None:
        return None
    return value.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")


def problems(found: Iterable[Problem]) -> list[dict[str, object]]:
    """A list of Problems."""
    return [problem.to_json() for problem in found]


def preflight(row: Preflight) -> dict[str, Any]:
    """What a preflight found, the worst first, and what it saw to be right."""
    return {
        "findings": problems(row.problems),
        "established": [{"fact": fact, "sentence": sentence} for fact, sentence in row.established],
        "started_at": moment(row.started_at),
        "finished_at": moment(row.finished_at),
    }


def certificate(row: Certificate | None) -> dict[str, Any] | None:
    """A certificate without its key, or null."""
    if row is None:
        return None
    return {
        "id": row.pk,
        "serial": row.serial,
        "issuer": row.issuer,
        "names": row.names,
        "not_before": moment(row.not_before),
        "not_after": moment(row.not_after),
        "sha256": row.sha256,
        "origin": row.origin,
        "key_type": row.key_type,
    }


def followed_files(row: FollowedFiles | None) -> dict[str, Any] | None:
    """The files that a gateway's certificate follows, or null."""
    if row is None:
        return None
    return {
        "certificate_path": row.certificate_path,
        "key_path": row.key_path or None,
        "certificate": certificate(row.certificate),
        "problem": row.problem_facts,
        "checked_at": moment(row.checked_at),
        "changed_at": moment(row.changed_at),
    }


def request(row: CertificateRequest) -> dict[str, Any]:
    """A certificate request without its key, and what has come of it."""
    return {
        "id": row.pk,
        "gateway": row.gateway.slug,
        "names": row.names,
        "subject": row.subject,
        "key_type": row.key_type,
        "csr_pem": row.csr_pem,
        "created_at": moment(row.created_at),
        "certificate": certificate(row.certificate),
    }


def taken_over(taken: TakenOver) -> dict[str, Any]:
    """What was taken over from certbot."""
    account = taken.account
    return {
        "account": {"directory_url": account.directory_url, "url": account.url or None}
        if account is not None
        else None,
        "lineages": [
            {
                "lineage": lineage.name,
                "gateway": lineage.gateway.slug,
                "is_new_gateway": lineage.is_new_gateway,
                "certificate": certificate(lineage.certificate),
                "in_use": lineage.is_in_use,
                "is_renewed": lineage.is_renewed,
                "notes": problems(lineage.notes),
            }
            for lineage in taken.lineages
        ],
        "notes": problems(taken.notes),
    }


def gateway(summary: GatewaySummary) -> dict[str, Any]:
    """A gateway at a glance."""
    row, renewal, stopped = summary.gateway, summary.next_renewal, summary.renewal_stopped
    return {
        "slug": row.slug,
        "hostname": row.hostname,
        "additional_hostnames": row.additional_hostnames,
        "certificate_source": row.certificate_source,
        "certificate": certificate(row.selected_certificate),
        "next_renewal": {"at": moment(renewal.at), "reason": renewal.reason} if renewal else None,
        "renewal_stopped": stopped.to_json() if stopped else None,
        "renewal_off": summary.renewal_off or None,
        "last_issuance": _attempt(summary.last_issuance),
        "profile": row.profile,
        "keeps_key": row.keeps_key,
        "rehearses": row.rehearses,
        "last_rehearsal": _attempt(summary.rehearsal),
        "next_rehearsal_at": moment(row.next_rehearsal_at) if row.rehearses else None,
        "followed_files": followed_files(getattr(row, "followed_files", None)),
    }


def _attempt(row: Issuance | None) -> dict[str, Any] | None:
    """An issuance or a rehearsal in short, or null."""
    if row is None:
        return None
    return {
        "id": row.pk,
        "state": row.state,
        "started_at": moment(row.started_at),
        "finished_at": moment(row.finished_at),
    }


def components(statuses: Iterable[PartStatus]) -> dict[str, str]:
    """The parts and whether they are ``ok`` or ``down``."""
    return {status.name: status.status for status in statuses}


def issuance(row: Issuance) -> dict[str, Any]:
    """An issuance with all its stages, those not begun included."""
    begun = {stage.stage: stage for stage in row.stages.all()}
    stages: list[dict[str, Any]] = []
    for state in stages_of(row.way):
        stage = begun.get(state.value)
        stages.append(
            {
                "stage": state.value,
                "state": stage.state if stage else "waiting",
                "started_at": moment(stage.started_at) if stage else None,
                "finished_at": moment(stage.finished_at) if stage else None,
            }
        )
    return {
        "id": row.pk,
        "gateway": row.gateway.slug,
        "trigger": row.trigger,
        "state": row.state,
        "started_at": moment(row.started_at),
        "finished_at": moment(row.finished_at),
        "stages": stages,
        "problem": row.problem.to_json() if row.problem else None,
        "certificate": certificate(Certificate.objects.filter(issuance=row).first()),
    }


def event(row: Event) -> dict[str, Any]:
    """One line of the log."""
    return {
        "at": moment(row.at),
        "level": row.level,
        "gateway": row.gateway.slug if row.gateway else None,
        "issuance": row.issuance_id,
        "code": row.code,
        "message": row.message,
        "detail": row.detail,
    }
