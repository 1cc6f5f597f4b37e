from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.certificates.racing import ROUNDS, THREADS
from tests.parts.product import CHECKOUT, clean_environment

RUN = "import django; django.setup(); from tests.certificates.racing import main; main()"


def test_of_several_who_want_the_same_at_once_one_gets_it(
    tmp_path: Path, backends: dict[str, str]
) -> None:
    environ = {
        "DJANGO_SETTINGS_MODULE": "gateway_admin.settings",
        "GATEWAY_ADMIN_DATA_DIR": str(tmp_path / "data"),
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        env=clean_environment() | backends | environ,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout.splitlines()[-1])
    assert {name: len(rounds) for name, rounds in results.items()} == dict.fromkeys(results, ROUNDS)
    for round_ in results["lease"]:
        assert sorted(round_) == [False] * (THREADS - 1) + [True]
    for round_ in results["request"]:
        assert len(round_) == THREADS
        assert len({*round_}) == 1
        assert isinstance(round_[0], int)
    for *claimants, administrators in results["claim"]:
        assert claimants.count("AlreadyClaimedError") == THREADS - 1
        assert administrators == 1
