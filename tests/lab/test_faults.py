"""Every fault of the table: what the preflight says of it, and what a real CA says meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.lab import rows_caa, rows_dns, rows_external, rows_machine, rows_router
from tests.lab.outcomes import Outcomes
from tests.lab.rows import Finding, Row
from tests.lab.stage import Outcome

pytestmark = pytest.mark.slow

TABLE = (
    *rows_router.ROWS,
    *rows_dns.ROWS,
    *rows_caa.ROWS,
    *rows_machine.ROWS,
    *rows_external.ROWS,
)
# Much below the 20 seconds that a run may take at most.
USUAL_SECONDS = 10.0


def differences(row: Row, outcome: Outcome) -> list[str]:
    """What is not as the table says."""
    wrong = []
    if row.validates not in (None, not outcome.refusals):
        wrong.append(f"the CA was expected to {'validate' if row.validates else 'refuse'}")
    wanted = {(finding.code, finding.severity) for finding in row.finds}
    found = {(finding["code"], finding["severity"]) for finding in outcome.findings}
    wrong += [f"not found: {missing}" for missing in sorted(wanted - found)]
    wrong += [f"found besides: {more}" for more in sorted(found - wanted) if more[1] != "info"]
    for finding in row.finds:
        wrong += _unsaid(finding, outcome.findings)
    wrong += _explained_otherwise(row, outcome)
    if not outcome.refusals and row.blocks is None:
        wrong += [f"an error where the CA validates: {c}" for c, s in sorted(found) if s == "error"]
    wrong += [
        f"not established: {fact}" for fact in row.establishes if fact not in outcome.established
    ]
    wrong += [f"established: {fact}" for fact in row.leaves_open if fact in outcome.established]
    return wrong


def _explained_otherwise(row: Row, outcome: Outcome) -> list[str]:
    """What the product makes of the refusals, and of the visits where there is none."""
    if not outcome.refusals:
        return [] if "answered" in outcome.visits else [f"visits: {outcome.visits}"]
    wanted = [finding.code for finding in row.explains]
    codes = [problem["code"] for problem in outcome.explained]
    if codes != wanted:
        return [f"explained as {codes}, and not as {wanted}"]
    return [word for finding in row.explains for word in _unsaid(finding, outcome.explained)]


def _unsaid(finding: Finding, problems: Sequence[Mapping[str, Any]]) -> list[str]:
    texts = [
        (" ".join(found["remedy"]), found["explanation"])
        for found in problems
        if found["code"] == finding.code
    ]
    if not texts:
        return []
    remedies, explanations = (" ".join(each) for each in zip(*texts, strict=True))
    return [
        *(
            f"{finding.code}: no remedy says {word!r}"
            for word in finding.remedy
            if word not in remedies
        ),
        *(
            f"{finding.code}: nothing says {word!r}"
            for word in finding.says
            if word not in explanations
        ),
    ]


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_it_is_named_rightly_and_with_the_right_remedy(row: Row, outcomes: Outcomes) -> None:
    outcome = outcomes.of(row)
    assert differences(row, outcome) == [], outcome
    assert outcome.seconds < USUAL_SECONDS


def test_an_error_where_pebble_validates_has_one_of_a_few_reasons() -> None:
    for row in TABLE:
        has_error = any(finding.severity == "error" for finding in row.finds)
        assert row.validates or not row.blocks, row
        assert not (has_error and row.validates) or row.blocks, row


def test_every_refusal_of_the_table_is_explained() -> None:
    for row in TABLE:
        assert bool(row.explains) == (not row.validates), row
        for explained in row.explains:
            assert explained.remedy or explained.says, row


def test_the_table_has_at_least_forty_faults_and_none_of_them_twice() -> None:
    assert len({row.fault for row in TABLE}) == len(TABLE) >= 40
