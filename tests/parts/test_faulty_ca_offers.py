"""What the faulty CA adds: renewal information, profiles, terms and ``replaces``."""

from __future__ import annotations

import datetime

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.parts.bare_acme import BareAcme, problem
from tests.parts.faulty_ca import (
    Endpoint,
    Fault,
    FaultyCa,
    Refusal,
    RenewalInfo,
    certificate_id,
)
from tests.parts.pebble import TestAuthorities
from tests.parts.processes import wait_until

NAME = "mx.example.test"
DAY = datetime.timedelta(days=1)


# What Pebble lacks


def test_nothing_is_offered_unasked(faulty_ca: FaultyCa, bare: BareAcme) -> None:
    directory = bare.directory
    assert "renewalInfo" not in directory
    assert "profiles" not in directory["meta"]
    order = bare.new_order(NAME, profile="short", replaces="AA.BB").json()
    assert not {"profile", "replaces"} & set(order)


def test_the_directory_names_what_is_offered(faulty_ca: FaultyCa, bare: BareAcme) -> None:
    faulty_ca.offers.renewal_info()
    faulty_ca.offers.profiles(classic="The usual", short="Six days")
    faulty_ca.offers.terms_of_service("https://ca.example.test/terms-v2")
    directory = bare.directory
    assert directory["renewalInfo"].startswith(f"https://127.0.0.1:{faulty_ca.port}/")
    assert directory["meta"]["profiles"] == {"classic": "The usual", "short": "Six days"}
    assert directory["meta"]["termsOfService"] == "https://ca.example.test/terms-v2"
    faulty_ca.offers.no_renewal_info()
    assert "renewalInfo" not in bare.directory


def test_profiles_are_known_or_refused_and_echoed(faulty_ca: FaultyCa, bare: BareAcme) -> None:
    faulty_ca.offers.profiles(short="Six days")
    refused = bare.new_order(NAME, profile="long")
    assert (refused.status_code, problem(refused)) == (400, "invalidProfile")
    assert bare.accepts(refused.headers["Replay-Nonce"])
    assert faulty_ca.log.orders_placed == 0
    assert faulty_ca.requests(Endpoint.NEW_ORDER)[0].answered_by == "proxy"
    placed = bare.new_order(NAME, profile="short")
    assert placed.json()["profile"] == "short"
    assert bare.post(placed.headers["Location"]).json()["profile"] == "short"
    assert "profile" not in bare.new_order(NAME).json()


def ari(bare: BareAcme, identifier: str) -> requests.Response:
    return bare.get(f"{bare.directory['renewalInfo']}/{identifier}")


def moments(answer: requests.Response) -> tuple[datetime.datetime, datetime.datetime]:
    window = answer.json()["suggestedWindow"]
    start, end = (datetime.datetime.fromisoformat(window[key]) for key in ("start", "end"))
    return start, end


def test_renewal_information_is_a_window_at_two_thirds_by_default(
    faulty_ca: FaultyCa, bare: BareAcme
) -> None:
    faulty_ca.offers.renewal_info()
    leaf = bare.issue(NAME)[0]
    answer = ari(bare, certificate_id(leaf))
    assert (answer.status_code, answer.headers["Retry-After"]) == (200, "21600")
    start, end = moments(answer)
    lifetime = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    assert leaf.not_valid_before_utc + lifetime * 0.6 < start < end
    assert end < leaf.not_valid_before_utc + lifetime * 0.7
    assert "explanationURL" not in answer.json()
    assert faulty_ca.counts[Endpoint.RENEWAL_INFO] == 1


def test_the_test_decides_on_windows_by_certificate_or_for_all(
    faulty_ca: FaultyCa, bare: BareAcme
) -> None:
    now = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC)
    soon = RenewalInfo(now, now + DAY, "https://ca.example.test/incident", retry_after="soon")
    faulty_ca.offers.renewal_info(lambda issued: RenewalInfo(now - DAY, now, retry_after=""))
    first, second = (certificate_id(bare.issue(NAME)[0]) for _ in range(2))
    faulty_ca.offers.window(first, soon)
    answer = ari(bare, first)
    assert moments(answer) == (now, now + DAY)
    assert answer.headers["Retry-After"] == "soon"
    assert answer.json()["explanationURL"] == "https://ca.example.test/incident"
    other = ari(bare, second)
    assert moments(other) == (now - DAY, now)
    assert "Retry-After" not in other.headers


@pytest.mark.parametrize(
    ("identifier", "status"),
    [
        ("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE", 404),
        ("aYhba4dGQEHhs3uEe6CuLN4ByNQ", 400),
        ("a.b.c", 400),
        ("a.AIdlQyE", 400),
        ("=.=", 400),
        ("", 400),
    ],
)
def test_there_is_no_renewal_information_of_what_was_never_issued(
    faulty_ca: FaultyCa, bare: BareAcme, identifier: str, status: int
) -> None:
    faulty_ca.offers.renewal_info()
    answer = ari(bare, identifier)
    assert (answer.status_code, problem(answer)) == (status, "malformed")


def test_the_identifier_of_a_certificate_is_that_of_the_rfc() -> None:
    """The example of RFC 9773 §4.1, whose serial number has its highest bit set."""
    key_identifier = bytes.fromhex("69885b6b87464041e1b37b847ba0ae2cde01c8d4")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(0x87654321)
        .not_valid_before(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC))
        .add_extension(x509.AuthorityKeyIdentifier(key_identifier, None, None), critical=False)
        .sign(key, hashes.SHA256())
    )
    assert certificate_id(certificate) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"


def test_renewal_information_can_go_wrong_like_everything_else(
    faulty_ca: FaultyCa, bare: BareAcme
) -> None:
    faulty_ca.offers.renewal_info()
    identifier = certificate_id(bare.issue(NAME)[0])
    faulty_ca.rules.script(
        Endpoint.RENEWAL_INFO, [Fault.status(503), Fault.body(b"{"), Fault.fields(start=1)]
    )
    assert ari(bare, identifier).status_code == 503
    assert ari(bare, identifier).content == b"{"
    assert ari(bare, identifier).json()["start"] == 1


def test_a_replacement_is_accepted_once_echoed_and_then_refused(
    faulty_ca: FaultyCa, bare: BareAcme
) -> None:
    faulty_ca.offers.renewal_info()
    identifier = certificate_id(bare.issue(NAME)[0])
    placed = bare.new_order(NAME, f"smtp.{NAME}", replaces=identifier)
    assert placed.json()["replaces"] == identifier
    assert bare.post(placed.headers["Location"]).json()["replaces"] == identifier
    for refusal, status, kind in (
        (Refusal.ALREADY_REPLACED, 409, "alreadyReplaced"),
        (Refusal.CONFLICT, 409, "conflict"),
        (Refusal.MALFORMED, 400, "malformed"),
    ):
        faulty_ca.offers.refuse_replaced_as(refusal)
        refused = bare.new_order(NAME, replaces=identifier)
        assert (refused.status_code, problem(refused)) == (status, kind)
        assert "replace" in refused.json()["detail"]
    assert bare.new_order(NAME).status_code == 201


def test_a_replacement_that_became_invalid_makes_way_for_the_next(
    faulty_ca: FaultyCa, bare: BareAcme
) -> None:
    faulty_ca.offers.renewal_info()
    identifier = certificate_id(bare.issue(NAME)[0])
    placed = bare.new_order(NAME, "lost.example.test", replaces=identifier)
    for url in placed.json()["authorizations"]:
        bare.post(url, {"status": "deactivated"})
    wait_until(
        lambda: bare.post(placed.headers["Location"]).json()["status"] != "pending",
        "The order has ended",
    )
    assert bare.new_order(NAME, replaces=identifier).status_code == 201


def test_only_ones_own_certificates_with_a_name_in_common_are_replaced(
    faulty_ca: FaultyCa, bare: BareAcme, authorities: TestAuthorities
) -> None:
    faulty_ca.offers.renewal_info()
    identifier = certificate_id(bare.issue(NAME)[0])
    unknown = bare.new_order(NAME, replaces="aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE")
    assert (unknown.status_code, problem(unknown)) == (404, "malformed")
    assert problem(bare.new_order(NAME, replaces="rubbish")) == "malformed"
    assert problem(bare.new_order("else.example.test", replaces=identifier)) == "malformed"
    with BareAcme(faulty_ca.directory_url, authorities.https.bundle) as stranger:
        refused = stranger.register().new_order(NAME, replaces=identifier)
    assert (refused.status_code, problem(refused)) == (403, "unauthorized")
    assert faulty_ca.log.orders_placed == 1
