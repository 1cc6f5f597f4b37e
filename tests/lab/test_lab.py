"""The lab itself: it leads nowhere, leaves nothing behind, and its table can fail."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.lab import network
from tests.lab.network import Firewall, Network, Router
from tests.lab.rows import Row, Stricter, error, info, refused
from tests.lab.stage import Outcome
from tests.lab.test_faults import differences
from tests.parts.processes import PartError, Process

FINDING = {
    "code": "address-private",
    "severity": "error",
    "explanation": "It points to 10.0.0.1.",
    "remedy": ["Correct the record."],
}
EXPLAINED = {
    "code": "acme-connection-refused",
    "severity": "error",
    "explanation": "It was refused before it came there.",
    "remedy": ["Forward the port."],
}
OUTCOME = Outcome(
    findings=(FINDING,),
    established={"port-served": "It is."},
    seconds=0.1,
    refusals={"mx.kontor-berg.de": "connection: refused"},
    explained=(EXPLAINED,),
    visits="None arrived: nothing from outside reached this port.",
)
REFUSED = (refused("connection-refused", "Forward", says=("before it came",)),)


def test_it_leads_nowhere_and_leaves_nothing_behind(tmp_path: Path) -> None:
    made = Network.make(tmp_path)
    try:
        routes = made.internet.run("ip route; ip -6 route")
        assert "default" not in routes
        assert network.SERVER.rpartition(".")[0] in routes
        held = [Path(f"/proc/{machine.pid}") for machine in made.machines]
        assert all(each.exists() for each in held)
    finally:
        made.close()
    assert not any(each.exists() for each in held)


def test_a_rule_that_makes_no_sense_is_an_error_that_shows_it(tmp_path: Path) -> None:
    made = Network.make(tmp_path)
    try:
        made.router.rules(Router().ruleset())
        made.firewall.rules(Firewall().ruleset())
        with pytest.raises(PartError, match="nonsense"):
            made.router.rules(Router(outgoing="nonsense").ruleset())
        # What was there before stays.
        assert network.GATEWAY in made.router.run("nft list ruleset")
    finally:
        made.close()


def test_a_program_in_it_ends_with_it(tmp_path: Path) -> None:
    made = Network.make(tmp_path)
    started: Process = made.nas.start("sleep", ["sleep", "infinity"])
    made.close()
    assert started.returncode is not None


def test_what_is_as_the_table_says_differs_in_nothing() -> None:
    row = Row(
        "a fault",
        validates=False,
        finds=(error("address-private", "record", says=("10.0.0.1",)),),
        establishes=("port-served",),
        explains=REFUSED,
        leaves_open=("dns-public",),
    )
    assert differences(row, OUTCOME) == []


def test_whatever_is_not_as_the_table_says_is_told() -> None:
    row = Row(
        "a fault",
        validates=True,
        finds=(info("dns-timeout"),),
        explains=REFUSED,
        establishes=("dns-public",),
        leaves_open=("port-served",),
    )
    assert differences(row, OUTCOME) == [
        "the CA was expected to validate",
        "not found: ('dns-timeout', 'info')",
        "found besides: ('address-private', 'error')",
        "not established: dns-public",
        "established: port-served",
    ]


def test_words_that_are_missing_are_told() -> None:
    finding = error("address-private", "router", says=("192.168.178.10",))
    row = Row("a fault", validates=False, finds=(finding,), explains=REFUSED)
    assert differences(row, OUTCOME) == [
        "address-private: no remedy says 'router'",
        "address-private: nothing says '192.168.178.10'",
    ]


def test_an_information_besides_is_no_difference() -> None:
    finding = dict(FINDING, severity="info")
    outcome = dataclasses.replace(OUTCOME, findings=(finding,))
    assert differences(Row("a fault", validates=False, explains=REFUSED), outcome) == []


def test_an_explanation_that_is_another_one_or_lacks_words_is_told() -> None:
    finds = (error("address-private"),)
    explained = refused("connection-refused", "firewall", says=("nothing from outside",))
    row = Row("a fault", validates=False, finds=finds, explains=(explained,))
    assert differences(row, OUTCOME) == [
        "acme-connection-refused: no remedy says 'firewall'",
        "acme-connection-refused: nothing says 'nothing from outside'",
    ]
    other = Row("a fault", validates=False, finds=finds, explains=(refused("timeout"),))
    assert differences(other, OUTCOME) == [
        "explained as ['acme-connection-refused'], and not as ['acme-timeout']"
    ]


def test_an_error_where_the_ca_validates_is_told_unless_there_is_a_reason() -> None:
    well = dataclasses.replace(OUTCOME, refusals={}, explained=(), visits="1 … and was answered.")
    row = Row("a fault", validates=True, finds=(error("address-private"),))
    assert differences(row, well) == ["an error where the CA validates: address-private"]
    stricter = dataclasses.replace(row, blocks=Stricter.CAA)
    assert differences(stricter, well) == []


def test_visits_that_were_not_seen_where_the_ca_validates_are_told() -> None:
    unseen = dataclasses.replace(OUTCOME, findings=(), refusals={}, explained=())
    assert differences(Row("nothing", validates=True), unseen) == [f"visits: {OUTCOME.visits}"]
