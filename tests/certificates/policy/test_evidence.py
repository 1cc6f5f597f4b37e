"""What is said of the requests that came to the challenge port."""

from __future__ import annotations

import dataclasses
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.policy.evidence import (
    Evidence,
    Visit,
    came,
    families,
    hiding_address,
    is_inside,
    networks,
    parsed,
    sentence,
)

NOW = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)
# Four places of a CA, and where a scanner comes from.
PLACES = ("23.178.112.105", "3.14.255.131", "18.144.20.8", "2600:3000:1511:200::1d")
SCANNER = "45.33.32.156"


def visit(
    address: str, *, is_known: bool | None = True, host: str = "", was_sent: bool = True
) -> Visit:
    return Visit(NOW, address, is_known, host=host, was_sent=was_sent)


def known(*addresses: str) -> tuple[Visit, ...]:
    return tuple(visit(address) for address in addresses)


def unknown(*addresses: str) -> tuple[Visit, ...]:
    return tuple(visit(address, is_known=False) for address in addresses)


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        (
            Evidence(known(*PLACES), (), was_watched=True),
            "4 validation requests from 4 networks arrived, all answered.",
        ),
        (
            Evidence((), (), was_watched=True),
            "None arrived: nothing from outside reached this port.",
        ),
        (
            Evidence((), (), was_watched=False),
            (
                "Whether validation requests arrived is not known: the challenge service did not "
                "run all the time."
            ),
        ),
        (
            Evidence(known(*PLACES[:3]), (), was_watched=False),
            (
                "At least 3 validation requests from 3 networks arrived, all answered. "
                "The challenge service did not run all the time."
            ),
        ),
        (
            Evidence((), unknown(SCANNER), was_watched=True),
            (
                "None arrived for the tokens of this certificate, but 1 request from 1 network "
                "arrived for unknown tokens."
            ),
        ),
        (
            Evidence((), unknown(SCANNER), was_watched=False),
            (
                "Whether validation requests arrived is not known: the challenge service did not "
                "run all the time."
            ),
        ),
        (
            Evidence(known(PLACES[0]), (), was_watched=True),
            (
                "1 validation request from 1 network arrived and was answered. "
                "Let's Encrypt comes from at least 3 networks."
            ),
        ),
        (
            Evidence(known(PLACES[0], PLACES[0], PLACES[1]), (), was_watched=True),
            (
                "3 validation requests from 2 networks arrived, all answered. "
                "Let's Encrypt comes from at least 3 networks."
            ),
        ),
        (
            Evidence(known(*["192.168.1.1"] * 4), (), was_watched=True),
            (
                "4 validation requests arrived, all answered. "
                "All came by 192.168.1.1: a router or proxy hides where they come from."
            ),
        ),
        (
            Evidence((*known(*PLACES[:3]), *unknown(PLACES[3])), (), was_watched=True),
            (
                "4 validation requests from 4 networks arrived; 3 answered, 1 while the token was "
                "not published."
            ),
        ),
        (
            Evidence(unknown(*PLACES), (), was_watched=True),
            (
                "4 validation requests from 4 networks arrived while the token was not published, "
                "so that none was answered."
            ),
        ),
        (
            Evidence(tuple(visit(place, is_known=None) for place in PLACES), (), was_watched=True),
            (
                "4 validation requests from 4 networks arrived, but could not be answered: the "
                "database was away."
            ),
        ),
        (
            Evidence(tuple(visit(place, was_sent=False) for place in PLACES), (), was_watched=True),
            "4 validation requests from 4 networks arrived, but hung up before the answer.",
        ),
        (
            Evidence(
                (
                    *known(PLACES[0]),
                    *unknown(PLACES[1]),
                    visit(PLACES[2], is_known=None),
                    visit(PLACES[3], was_sent=False),
                ),
                (),
                was_watched=True,
            ),
            (
                "4 validation requests from 4 networks arrived; 1 answered, 1 while the token was "
                "not published, 1 while the database was away, 1 hung up before the answer."
            ),
        ),
    ],
)
def test_what_came_is_one_honest_sentence(evidence: Evidence, said: str) -> None:
    assert sentence(evidence) == said


def test_while_the_ca_may_still_come_none_is_only_none_so_far() -> None:
    nothing = Evidence((), (), was_watched=True, is_open=True)
    assert sentence(nothing) == "None has arrived so far."
    came_already = dataclasses.replace(nothing, known=known(*PLACES))
    assert sentence(came_already) == sentence(dataclasses.replace(came_already, is_open=False))


def test_what_this_machine_asks_itself_is_no_evidence_of_the_outside() -> None:
    own = ("203.0.113.7", "::ffff:203.0.113.7", "2001:db8:0::1")
    visits = known(*own)
    asked = Evidence(visits, visits, was_watched=True, own_addresses=frozenset(own))
    assert (asked.arrived, asked.answered, asked.strangers) == ((), (), ())
    assert sentence(asked) == (
        "3 requests came from this machine itself. Whether any came from outside, by way of a "
        "proxy on it, is not known."
    )
    for_nobody = dataclasses.replace(asked, known=())
    assert sentence(for_nobody) == "None arrived: nothing from outside reached this port."
    assert dataclasses.replace(asked, own_addresses=frozenset()).arrived == visits


@pytest.mark.parametrize(
    ("addresses", "count", "versions"),
    [
        ((), 0, set()),
        (("23.178.112.105", "23.178.112.9"), 1, {4}),
        (("23.178.112.105", "23.178.113.105"), 2, {4}),
        (("2600:3000:1511:200::1d", "2600:3000:1511:ffff::1"), 1, {6}),
        (("2600:3000:1511::1", "2600:3000:1512::1"), 2, {6}),
        (("23.178.112.105", "::ffff:23.178.112.9"), 1, {4}),
        (PLACES, 4, {4, 6}),
        (("no address", "23.178.112.105"), 2, {4}),
    ],
)
def test_networks_are_as_large_as_what_one_sender_has(
    addresses: tuple[str, ...], count: int, versions: set[int]
) -> None:
    assert networks(known(*addresses)) == count
    assert families(known(*addresses)) == versions


@pytest.mark.parametrize(
    ("address", "family"),
    [
        (PLACES[0], "IPv4"),
        (PLACES[3], "IPv6"),
        ("::ffff:23.178.112.9", "IPv4"),
        ("no address", ""),
    ],
)
def test_a_visits_family_is_that_by_which_the_peer_came(address: str, family: str) -> None:
    assert visit(address).family == family


@pytest.mark.parametrize(
    ("addresses", "hiding"),
    [
        (("192.168.178.1", "192.168.178.1"), "192.168.178.1"),
        (("::ffff:10.0.0.1",), "10.0.0.1"),
        (("127.0.0.1",), "127.0.0.1"),
        (("fd00::1",), "fd00::1"),
        (("100.64.0.1",), "100.64.0.1"),
        (("192.168.178.1", "192.168.178.2"), ""),
        (("192.168.178.1", "23.178.112.105"), ""),
        (("23.178.112.105",), ""),
        (("no address",), ""),
        ((), ""),
    ],
)
def test_one_inner_address_hides_the_senders(addresses: tuple[str, ...], hiding: str) -> None:
    assert hiding_address(known(*addresses)) == hiding


def test_senders_that_are_hidden_are_not_counted_as_networks() -> None:
    assert came(known("10.0.0.1", "10.0.0.1"), "request") == "2 requests arrived"
    assert came(known("23.178.112.105"), "request") == "1 request from 1 network arrived"


# Which name a request was for

NAMES = ("mx.example.org", "smtp.example.org")


def asked_for(*hosts: str) -> Evidence:
    return Evidence(tuple(visit(PLACES[0], host=host) for host in hosts), (), was_watched=True)


@pytest.mark.parametrize(
    ("hosts", "names", "kept"),
    [
        (("mx.example.org", "smtp.example.org"), NAMES, 1),
        (("MX.example.org",), NAMES, 1),
        (("smtp.example.org",), NAMES, 0),
        (("mx.example.org", "10.0.0.5"), NAMES, 1),
        (("10.0.0.5",), NAMES, None),
        (("",), NAMES, None),
        ((), NAMES, 0),
        # The only name there is, whatever a proxy makes of the header.
        (("10.0.0.5", ""), NAMES[:1], 2),
        # The names are not known.
        (("mx.example.org",), (), 1),
        (("smtp.example.org",), (), None),
    ],
)
def test_a_request_counts_for_the_name_that_it_was_for(
    hosts: tuple[str, ...], names: tuple[str, ...], kept: int | None
) -> None:
    found = asked_for(*hosts).for_name("mx.example.org", names)
    assert (None if found is None else len(found.known)) == kept


ADDRESSES = st.ip_addresses().map(str) | st.text(max_size=40) | st.just("192.168.1.1")
VISITS = st.lists(
    st.builds(
        visit,
        ADDRESSES,
        is_known=st.none() | st.booleans(),
        host=st.text(max_size=20),
        was_sent=st.booleans(),
    ),
    max_size=6,
).map(tuple)
EVIDENCE = st.builds(
    Evidence,
    VISITS,
    VISITS,
    st.booleans(),
    st.frozensets(ADDRESSES, max_size=2),
    st.booleans(),
)


@given(EVIDENCE)
def test_every_evidence_has_a_sentence_without_a_strangers_words(evidence: Evidence) -> None:
    said = sentence(evidence)
    assert said.endswith(".")
    assert said[0].isupper() or said[0].isdigit()
    assert said.isprintable()
    nobody_came = not (evidence.arrived or evidence.strangers)
    assert "nothing from outside" not in said or (nobody_came and not evidence.is_open)
    assert evidence.was_watched or "all the time" in said


@given(st.text())
def test_any_text_is_an_address_or_none(text: str) -> None:
    assert parsed(text) is None or str(parsed(text))
    assert not is_inside(text) or parsed(text)
