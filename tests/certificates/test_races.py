from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.certificates.engine import SmallCas
from tests.certificates.racing import ROUNDS, THREADS
from tests.parts.product import CHECKOUT, clean_environment

RUN = "import django; django.setup(); from tests.certificates.racing import {0}; {0}({1})"


def run(
    tmp_path: Path, environ: dict[str, str], program: str, argument: object = "", *, timeout: float
) -> list[str]:
    """The lines that the program has printed, on a data directory of its own."""
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(program, argument)],
        env=clean_environment()
        | environ
        | {
            "DJANGO_SETTINGS_MODULE": "gateway_admin.settings",
            "GATEWAY_ADMIN_DATA_DIR": str(tmp_path / "data"),
        },
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_of_several_who_want_the_same_at_once_one_gets_it(
    tmp_path: Path, backends: dict[str, str]
) -> None:
    environ = backends | {"GATEWAY_ADMIN_CERTIFICATE_DIRECTORIES": str(tmp_path / "files")}
    results = json.loads(run(tmp_path, environ, "main", timeout=120)[-1])
    assert {name: len(rounds) for name, rounds in results.items()} == dict.fromkeys(results, ROUNDS)
    for round_ in results["lease"] + results["slot"]:
        assert sorted(round_) == [False] * (THREADS - 1) + [True]
    for round_ in results["request"]:
        assert len(round_) == THREADS
        assert len({*round_}) == 1
        assert isinstance(round_[0], int)
    for round_ in results["begin_preflight"]:
        assert len(round_) == THREADS
        assert len({*round_}) == 1
        assert isinstance(round_[0], int)
    for *carried, ended in results["carry_preflight_out"]:
        assert sorted(carried) == [False] * (THREADS - 1) + [True]
        assert ended == 1
    for round_ in results["request_twins"]:
        assert round_.count("ProblemError") == THREADS - 1
    for round_ in results["last_order"]:
        assert sorted(map(str, round_)) == ["HeldBackError"] * (THREADS - 1) + ["None"]
    for round_ in results["finalize_or_cancel"]:
        outcomes = Counter(round_)
        assert outcomes["handed over"] + outcomes["cancelled"] == 1
        assert outcomes["ProblemError"] == THREADS - 1 - outcomes["LeaseLostError"]
    for *brought, selected, count in results["replace"]:
        assert brought.count("ProblemError") == THREADS - 1
        assert selected in brought
        assert count == 2
    for *ended, count in results["answer"]:
        assert ended.count("discarded") == 1
        assert ended.count("answered") == count
        assert ended.count("ProblemError") == THREADS - 1 - count
    for round_ in results["follow"]:
        assert sorted(map(str, round_)) == ["followed", "looked", "stopped"]
    for *claimants, administrators in results["claim"]:
        assert claimants.count("AlreadyClaimedError") == THREADS - 1
        assert administrators == 1


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_workers_and_two_sweeps_never_order_twice(
    tmp_path: Path,
    backends: dict[str, str],
    serving_cas: SmallCas,
    repetitions: Callable[[int, int], int],
) -> None:
    rounds = repetitions(10, 1000)
    ca = serving_cas.production.reset()
    environ = backends | {
        "GATEWAY_ADMIN_ACME_STAGING_URL": serving_cas.staging.url,
        "GATEWAY_ADMIN_ACME_PRODUCTION_URL": ca.url,
        "GATEWAY_ADMIN_ACME_CA_BUNDLE": str(ca.bundle),
        "GATEWAY_ADMIN_NEW_ORDERS_LIMIT": "100000",
    }
    lines = run(tmp_path, environ, "contest", rounds, timeout=120 + 3 * rounds)
    for line in lines:
        assert json.loads(line) == {
            "states": ["done"],
            "orders": [["valid"]],
            "new_certificates": 1,
            "is_renewed": True,
            "counted": 1,
            "events": ["certificate-installed", "certificate-issued", "issuance-requested"],
            "errors": [],
        }
    assert len(lines) == rounds
    ordered = [
        identifier["value"]
        for each in ca.requests_for("new-order")
        for identifier in each.body["identifiers"]
    ]
    assert Counter(ordered) == {f"mail.g{number}.test": 1 for number in range(rounds)}
    for endpoint in ("challenge", "finalize", "certificate"):
        assert ca.counts[endpoint] == rounds
