"""Every fault of the table: what the preflight says of it, and what a real CA says meanwhile."""

from __future__ import annotations

import pytest

from tests.lab import rows_caa, rows_dns, rows_external, rows_machine, rows_router
from tests.lab.rows import Finding, Row, at
from tests.lab.stage import Lab, Outcome

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


def outcome_of(row: Row, lab: Lab) -> Outcome:
    """Bring the fault about, and look at it from both sides."""
    machine_name, address = row.site.value
    public = row.public or at(address)
    lab.set_router(row.router)
    lab.set_firewall(row.firewall)
    lab.set_zones(public, second=row.second, local=row.local)
    with row.during(lab):
        return lab.look(getattr(lab, machine_name), row.names, row.dns_servers)


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
        wrong += _unsaid(finding, outcome)
    wrong += [
        f"not established: {fact}" for fact in row.establishes if fact not in outcome.established
    ]
    wrong += [f"established: {fact}" for fact in row.leaves_open if fact in outcome.established]
    return wrong


def _unsaid(finding: Finding, outcome: Outcome) -> list[str]:
    texts = [
        (" ".join(found["remedy"]), found["explanation"])
        for found in outcome.findings
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
def test_it_is_named_rightly_and_with_the_right_remedy(row: Row, lab: Lab) -> None:
    outcome = outcome_of(row, lab)
    assert differences(row, outcome) == [], outcome
    assert outcome.seconds < USUAL_SECONDS


def test_no_error_is_found_where_a_certificate_could_have_been_obtained(lab: Lab) -> None:
    for row in TABLE:
        has_error = any(finding.severity == "error" for finding in row.finds)
        assert not (has_error and row.validates) or row.blocks, row


def test_the_table_has_at_least_forty_faults_and_none_of_them_twice() -> None:
    assert len({row.fault for row in TABLE}) == len(TABLE) >= 40
