"""What is wrong with followed files is a warning of its gateway, wherever warnings are told."""

from __future__ import annotations

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from certificates import queries
from certificates.models import FollowedFiles, Gateway, Origin
from certificates.queries.gateways import found_gateways
from challenges.problems import Problem, Severity
from tests.console import make_certificate

BROKEN = Problem("followed-files-unreadable", Severity.WARNING, "The file is empty.", ("Look.",))


def follow(gateway: Gateway, problem: Problem | None) -> None:
    """Files of the gateway, and what is wrong with them."""
    FollowedFiles.objects.update_or_create(
        gateway=gateway,
        defaults={
            "certificate_path": "/etc/ssl/mx.pem",
            "problem_facts": problem.to_json() if problem else None,
        },
    )


@pytest.mark.parametrize("problem", [None, BROKEN])
@pytest.mark.parametrize("origin", [Origin.IMPORTED, Origin.LETS_ENCRYPT])
def test_it_is_told_while_it_lasts(
    gateway: Gateway, problem: Problem | None, origin: Origin
) -> None:
    make_certificate(gateway, origin, select=True)
    follow(gateway, problem)
    now = timezone.now()
    found = queries.current_warnings(now, queries.console(now)).problems
    told = [placed.gateway for placed in found if placed.problem == BROKEN]
    assert told == ([gateway] if problem else [])
    (summary,) = queries.summaries(found_gateways(), now)
    assert (BROKEN in summary.warnings) is bool(problem)


def test_gateways_that_follow_nothing_cost_no_query(
    gateway: Gateway, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_certificate(gateway, Origin.IMPORTED, select=True)
    rows, now = list(found_gateways()), timezone.now()
    # Some things are read once and remembered.
    queries.summaries(rows, now)
    with django_assert_num_queries(3):
        queries.summaries(rows, now)
