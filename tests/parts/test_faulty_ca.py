"""The faulty CA itself: it passes on, counts, goes away and comes back."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import closing

import pytest
import requests

from tests.demo.responder import Responder
from tests.parts.bare_acme import BareAcme, names_in, problem
from tests.parts.faulty_ca import (
    Answer,
    Endpoint,
    Exchange,
    Fault,
    FaultyCa,
    StartFaultyAuthorities,
    certificate_id,
)
from tests.parts.pebble import PebbleOptions, TestAuthorities
from tests.parts.processes import answers, wait_until
from tests.parts.raw_tls import RawTls, drain

NAME = "mx.example.test"


# Without rules


def test_without_rules_an_order_goes_through_and_is_counted(
    faulty_ca: FaultyCa, bare: BareAcme
) -> None:
    leaf = bare.issue(NAME)[0]
    assert names_in(leaf) == {NAME}
    polls = faulty_ca.counts[Endpoint.ORDER]
    assert polls >= 2
    signed = {kind: count for kind, count in faulty_ca.counts.items() if kind.value != "order"}
    signed.pop(Endpoint.DIRECTORY)
    assert signed.pop(Endpoint.NEW_NONCE) == polls + 6
    assert signed == {
        Endpoint.NEW_ACCOUNT: 1,
        Endpoint.NEW_ORDER: 1,
        Endpoint.AUTHORIZATION: 1,
        Endpoint.CHALLENGE: 1,
        Endpoint.FINALIZE: 1,
        Endpoint.CERTIFICATE: 1,
    }
    assert faulty_ca.log.orders_placed == faulty_ca.log.certificates_issued == 1
    assert {seen.answered_by for seen in faulty_ca.seen} == {"ca"}
    assert list(faulty_ca.issued) == [certificate_id(leaf)]


def test_every_url_of_the_ca_leads_through_the_proxy(faulty_ca: FaultyCa, bare: BareAcme) -> None:
    placed = bare.new_order(NAME)
    order = placed.json()
    links = [placed.headers["Location"], order["finalize"], *order["authorizations"]]
    links += [url for name, url in bare.directory.items() if isinstance(url, str)]
    assert all(url.startswith(f"https://127.0.0.1:{faulty_ca.port}/") for url in links)


def test_the_log_has_what_was_signed_and_by_whom(faulty_ca: FaultyCa, bare: BareAcme) -> None:
    order = bare.new_order(NAME, extra="passed on").json()
    bare.post(order["authorizations"][0])
    placed = faulty_ca.requests(Endpoint.NEW_ORDER)[0]
    assert placed.payload == {
        "identifiers": [{"type": "dns", "value": NAME}],
        "extra": "passed on",
    }
    assert placed.account == bare.account
    assert placed.method == "POST"
    assert faulty_ca.requests(Endpoint.AUTHORIZATION)[0].payload is None
    assert faulty_ca.requests(Endpoint.NEW_NONCE)[0].payload is None
    moments = [seen.at for seen in faulty_ca.seen]
    assert moments == sorted(moments)


def test_what_the_directory_does_not_lead_to_is_other(faulty_ca: FaultyCa, bare: BareAcme) -> None:
    assert bare.get(faulty_ca.directory_url.replace("/dir", "/nothing")).status_code == 404
    assert faulty_ca.counts[Endpoint.OTHER] == 1
    bare.post(bare.account, {"contact": []})
    assert faulty_ca.counts[Endpoint.ACCOUNT] == 1


def test_what_the_ca_refuses_is_counted_as_a_request_alone(
    faulty_ca: FaultyCa, bare: BareAcme
) -> None:
    assert bare.new_order("*").status_code == 400
    order = bare.new_order(NAME).json()
    assert problem(bare.finalize(order)) == "orderNotReady"
    assert faulty_ca.counts[Endpoint.NEW_ORDER] == 2
    assert faulty_ca.counts[Endpoint.FINALIZE] == 1
    assert (faulty_ca.log.orders_placed, faulty_ca.log.certificates_issued) == (1, 0)


def test_counting_can_begin_anew(faulty_ca: FaultyCa, bare: BareAcme) -> None:
    bare.new_order(NAME)
    faulty_ca.log.clear()
    assert faulty_ca.seen == ()
    assert faulty_ca.log.orders_placed == 0
    bare.new_order(NAME)
    assert faulty_ca.log.orders_placed == 1


def test_a_connection_is_kept_for_many_requests(raw: Callable[[], RawTls]) -> None:
    connection = raw()
    for _ in range(20):
        connection.ask()
        assert connection.answer()[0].status == 200


def test_many_clients_are_served_at_once(
    faulty_ca: FaultyCa, bare: BareAcme, authorities: TestAuthorities
) -> None:
    faulty_ca.rules.add(Fault.stall(), at=Endpoint.NEW_NONCE, times=1)
    nonce_url = bare.directory["newNonce"]
    stalled = threading.Thread(target=_get_quietly, args=(nonce_url, authorities))
    stalled.start()
    wait_until(lambda: faulty_ca.counts[Endpoint.NEW_NONCE] >= 2, "One client is stalled")
    assert bare.get(bare.directory_url).status_code == 200
    faulty_ca.go_away()
    stalled.join(10)
    assert not stalled.is_alive()


def _get_quietly(url: str, authorities: TestAuthorities) -> None:
    with closing(requests.Session()) as session, contextlib.suppress(requests.ConnectionError):
        session.trust_env = False
        session.get(url, verify=str(authorities.https.bundle), timeout=10)


# Coming and going


def test_a_ca_that_is_away_refuses_connections_and_comes_back_on_its_port(
    faulty_ca: FaultyCa, bare: BareAcme, raw: Callable[[], RawTls]
) -> None:
    kept = raw()
    kept.ask()
    assert kept.answer()[0].status == 200
    faulty_ca.go_away()
    assert not answers(faulty_ca.port)
    with pytest.raises(requests.ConnectionError):
        bare.get(faulty_ca.directory_url)
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        assert drain(kept.socket) == b""
    faulty_ca.go_away()
    faulty_ca.come_back()
    faulty_ca.come_back()
    assert bare.issue(NAME)


def test_who_was_just_connecting_when_the_ca_went_away_is_not_served(
    faulty_ca: FaultyCa, authorities: TestAuthorities, raw: Callable[[], RawTls]
) -> None:
    with socket.create_connection(("127.0.0.1", faulty_ca.port), timeout=10) as early:
        served = raw()
        served.ask()
        assert served.answer()[0].status == 200, "the early one has been accepted as well"
        faulty_ca.go_away()
        context = ssl.create_default_context(cafile=authorities.https.bundle)
        with (
            contextlib.suppress(ConnectionError, ssl.SSLError),
            context.wrap_socket(early, server_hostname="127.0.0.1") as connection,
        ):
            connection.sendall(b"GET /dir HTTP/1.1\r\nHost: x\r\n\r\n")
            assert drain(connection) == b""


def test_a_rebuilt_ca_is_learned_anew(start_faulty_acme: StartFaultyAuthorities) -> None:
    authorities = start_faulty_acme()
    ca, bundle = authorities.production, authorities.behind.https.bundle
    with (
        Responder(authorities.http_port) as responder,
        BareAcme(ca.directory_url, bundle, responder.tokens) as client,
    ):
        client.register().issue(NAME)
        directory = client.directory
        ca.restart()
        assert ca.issued == {}
        ca.rules.add(Fault.status(500), at=Endpoint.NEW_ORDER)
        # The first request after it is not for the directory.
        assert client.post(directory["newOrder"], {}, nonce="AAAA").status_code == 500
        ca.rules.clear()
        assert problem(client.new_order(NAME)) == "accountDoesNotExist"
        client.account = ""
        assert client.register().issue(NAME)
    assert len(ca.issued) == 1
    assert ca.log.certificates_issued == 2


def test_without_the_ca_behind_it_the_connection_just_ends(
    start_faulty_acme: StartFaultyAuthorities,
) -> None:
    authorities = start_faulty_acme()
    ca, bundle = authorities.staging, authorities.behind.https.bundle
    with BareAcme(ca.directory_url, bundle) as client:
        assert client.get(ca.directory_url).status_code == 200
        ca.pebble.stop()
        with pytest.raises(requests.ConnectionError):
            client.get(ca.directory_url)
        ca.pebble.start()
        assert client.get(ca.directory_url).status_code == 200
        # A kept connection to the CA of before is not taken for its absence.
        ca.pebble.stop()
        ca.pebble.start()
        assert client.get(ca.directory_url).status_code == 200


def test_two_faulty_cas_are_what_the_product_is_told_of(
    start_faulty_acme: StartFaultyAuthorities,
) -> None:
    authorities = start_faulty_acme(PebbleOptions(validity_seconds=3600))
    told, behind = authorities.environment(), authorities.behind.environment()
    assert told["GATEWAY_ADMIN_ACME_STAGING_URL"] == authorities.staging.directory_url
    assert told["GATEWAY_ADMIN_ACME_PRODUCTION_URL"] == authorities.production.directory_url
    assert authorities.both == (authorities.staging, authorities.production)
    changed = {name for name in told if told[name] != behind[name]}
    assert changed == {"GATEWAY_ADMIN_ACME_STAGING_URL", "GATEWAY_ADMIN_ACME_PRODUCTION_URL"}


# The proxy's own faults


def test_a_mistake_in_a_fault_is_not_taken_for_the_cas(
    authorities: TestAuthorities,
) -> None:
    def mistaken(exchange: Exchange) -> Answer:
        raise LookupError("a mistake of the test's own")

    ca = FaultyCa(authorities.production, authorities.https)
    ca.rules.add(Fault.change("mistaken", mistaken))
    with (
        BareAcme(ca.directory_url, authorities.https.bundle) as client,
        pytest.raises(requests.ConnectionError),
    ):
        client.get(ca.directory_url)
    with pytest.raises(ExceptionGroup, match="faults of its own") as caught:
        ca.close()
    assert isinstance(caught.value.exceptions[0], LookupError)


def test_nothing_is_left_of_a_proxy_that_is_closed(authorities: TestAuthorities) -> None:
    before = threading.active_count()
    with closing(FaultyCa(authorities.production, authorities.https)) as ca:
        ca.rules.add(Fault.stall(), at=Endpoint.DIRECTORY)
        stalled = threading.Thread(
            target=_get_quietly, args=(ca.directory_url, authorities), daemon=True
        )
        stalled.start()
        wait_until(lambda: ca.seen, "A request is stalled")
    stalled.join(10)
    assert not answers(ca.port)
    assert threading.active_count() == before
