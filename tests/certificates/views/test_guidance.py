"""The guidance: what it says, what it ticks, and the request for the network team."""

from __future__ import annotations

import datetime
import html
import re
from http import HTTPStatus
from socket import gethostname

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from certificates.configuring import Wishes, configure
from certificates.models import Account, Gateway, Order, OrderStatus, Preflight, Stage, StageState
from certificates.policy.guidance import Judgement, Standing
from certificates.policy.guidance_steps import Step
from certificates.policy.issuance import Environment, State
from challenges.models import ChallengeListener, NetworkSettings, ValidationRequest
from challenges.preflight import advice
from challenges.problems import Problem, Severity
from tests.console import HTMX, make_gateway, make_issuance

PAGE = "/gateways/default/guidance/"
REQUEST = "/gateways/default/guidance/request/"
GENERAL = "/guidance/"
MINUTE = datetime.timedelta(minutes=1)
PUBLIC_DNS = ("dns-public", "mail.example.com leads to 203.0.113.7 in the public DNS.")
ADDRESSES = {"mail.example.com": ["203.0.113.7"]}
PUBLIC_PORT = ("port-public", "This gateway answers for mail.example.com on port 80.")
REFUSES = Problem(
    "public-port-refuses",
    Severity.WARNING,
    "Port 80 of 203.0.113.7 <mail.example.com> refuses connections.",
    ("On the router, forward TCP port 80.",),
)

# What the page has to say in the gist, and a phrase of the page that says it.
ABOUT = [
    ("free of charge", "a certificate authority that costs nothing"),
    ("automated and open", "works without people and is open to everybody"),
    ("trusted by all major browsers and systems", "Every major browser and operating system"),
    ("large and well-known sponsors", "paid for by many well-known companies of the IT industry"),
    ("they want a safer internet", "who want a safer internet"),
    ("approval is automatic", "A machine checks that a name is yours."),
    ("no e-mail, no telephone, no days", "No e-mail has to be answered and no telephone call"),
    ("older authorities take days", "as with older authorities, where that can take days"),
    ("valid for 90 days", "valid for only 90 days and have to be renewed again and again"),
    ("renewed by the service once set up", "does that by itself, once the first certificate"),
]
PREREQUISITES = [
    ("an A or CNAME record exists", "An A or a CNAME record for mail.example.com"),
    ("it points to a public address", "that leads to a public IP address"),
    ("TCP port 80 can be reached", "has to answer on TCP port 80 (HTTP) of that address"),
    ("for the automatic check of the name", "checks on its own that the name is yours"),
    ("a forwarding may be needed", "may have to forward the port or let it through"),
    ("different source addresses", "comes from several addresses and changes them"),
    ("no limit to source addresses", "the rule must not name source addresses"),
]
LAN = [
    ("the most common scenario", "Most gateways stand like this: on the local network"),
    ("inside the premises", "inside your own premises"),
    ("a private address", "The machine has a private IP address such as"),
    ("the router masks the addresses", "hides all addresses of the house behind the one"),
    ("assigned by the provider", "that the internet provider (ISP) has given it"),
    ("called NAT", "Network Address Translation (NAT)"),
    ("a new, dedicated machine", "has a new machine of its own, with nothing else on it"),
    ("1: static public address", "a public IP address that always stays the same"),
    ("1: to the router", "have it assigned to the router"),
    ("2: static local address", "a free address of your local network that always stays the same"),
    ("3: forwarding rule", "A port forwarding rule on the router"),
    ("3: all connections to port 80", "every source address, TCP port 80 of 203.0.113.7"),
    ("3: to the machine", "TCP port 8081"),
    ("3: the port can be changed", "The inner port is the “Let's Encrypt HTTP-01 challenge port”"),
    ("3: it listens at the local address", "listens at the local address of step 2"),
    ("3: outside it is 80", "at the public address of step 1 it has to be TCP port 80"),
    ("3: as the check knows no other", "because Let's Encrypt's check knows no other"),
    ("3: the rule follows", "If you change the challenge port, the router's rule changes with it"),
    ("3: with the number", "it now has to lead to port 8081"),
    ("4: A or CNAME record", "add an A record for mail.example.com with 203.0.113.7, or a CNAME"),
    ("4: in the public zone", "In the DNS zone of your public domain"),
    ("5: depends on the local DNS", "ask a DNS server of your own or the router"),
    ("5: a record there too", "mail.example.com may need a record there too"),
    ("5: to the local address", "Let it lead to the local address"),
]
EXTERNAL = [
    ("data center or DMZ", "A machine in a data center or a DMZ"),
    ("public addresses already", "stands on a network of public IP addresses already"),
    ("much easier", "there is much less to prepare"),
    ("a new, dedicated machine", "has a new machine of its own, with nothing else on it"),
    ("1: public address", "a free address of your public network"),
    ("2: where there is a firewall", "A rule in the firewall, where there is one"),
    ("2: all connections to port 80", "every source address to TCP port 80 of"),
    ("2: the port can be changed", "can be changed in the network settings"),
    ("2: it listens at the public address", "listens at the public address of step 1"),
    ("2: it has to be 80", "In this scenario it has to be TCP port 80, though"),
    ("2: as the check knows no other", "because Let's Encrypt's check knows no other"),
    ("3: A or CNAME record", "or a CNAME record to a name that has it"),
]
OBTAINING = [
    ("staging first", "tried with Let's Encrypt's staging environment first"),
    ("a warning in case of trouble", "If something is in the way, a warning says so."),
    ("log, mend, again", "Read it and the log, mend the cause, and press “Try again”."),
    ("production by itself", "goes on by itself: it requests the certificate"),
    ("success is confirmed", "tells you that everything is in place"),
    ("renewed every 60 days", "renewed automatically, about every 60 days"),
    ("unless another is selected", "as long as you do not select another certificate by hand"),
]


@pytest.fixture
def network(gateway: Gateway) -> NetworkSettings:
    """Behind a router, with a challenge port that is not the default."""
    network = NetworkSettings.load()
    network.challenge_port = 8081
    network.save()
    return network


def preflight(
    gateway: Gateway,
    *established: tuple[str, str],
    findings: tuple[Problem, ...] = (),
    ago: datetime.timedelta = 3 * MINUTE,
    **fields: object,
) -> Preflight:
    """A preflight of the gateway that has ended, unless ``fields`` say otherwise."""
    at = timezone.now() - ago
    values = {"names": gateway.names, "started_at": at, "taken_at": at, "finished_at": at}
    if PUBLIC_DNS in established:
        values["addresses"] = ADDRESSES
    return Preflight.objects.create(
        gateway=gateway,
        established=[list(pair) for pair in established],
        findings=[finding.to_json() for finding in findings],
        **{**values, **fields},
    )


def words(client: Client, address: str) -> str:
    """The page's text, without its elements."""
    page = client.get(address).content.decode()
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"</?(strong|span|code)\b[^>]*>", "", page)))


def standing_of(client: Client, step: Step) -> Standing:
    context = client.get(PAGE).context
    judged: list[Judgement] = [*context["steps"], *context["guidance"].checks]
    return next(each.standing for each in judged if each.step is step)


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("gist", [*ABOUT, *PREREQUISITES, *LAN, *OBTAINING], ids=lambda g: g[0])
def test_the_page_for_a_local_network_says(
    operator: Client, gateway: Gateway, gist: tuple[str, str]
) -> None:
    preflight(gateway, PUBLIC_DNS)
    assert gist[1] in words(operator, PAGE)


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(
    "gist", [*ABOUT, *PREREQUISITES, *EXTERNAL, *OBTAINING], ids=lambda g: g[0]
)
def test_the_page_for_an_external_network_says(operator: Client, gist: tuple[str, str]) -> None:
    assert gist[1] in words(operator, f"{PAGE}?scenario=external")


@pytest.mark.usefixtures("network")
def test_every_value_is_this_gateways_own(operator: Client, gateway: Gateway) -> None:
    gateway.additional_hostnames = ["smtp.example.com"]
    gateway.save()
    now = timezone.now()
    ChallengeListener.objects.create(
        host="challenges.lan", pid=1, port=8081, wanted_port=8081, started_at=now, seen_at=now
    )
    text = words(operator, PAGE)
    assert "challenges.lan, TCP port 8081" in text
    assert "<li>smtp.example.com</li>" in text


@pytest.mark.usefixtures("network")
def test_nothing_is_ticked_before_anything_was_looked_at(operator: Client) -> None:
    page = operator.get(PAGE)
    assert 'data-standing="verified"' not in page.content.decode()
    assert "No preflight check has been run yet" in page.content.decode()
    assert "hx-trigger" not in page.content.decode()


@pytest.mark.usefixtures("network")
def test_the_last_preflight_ticks_with_its_sentence_and_time(
    operator: Client, gateway: Gateway
) -> None:
    preflight(gateway, ("dns-public", "Older."), ago=60 * MINUTE)
    preflight(gateway, PUBLIC_DNS, findings=(REFUSES,))
    text = words(operator, PAGE)

    assert standing_of(operator, Step.PUBLIC_DNS) is Standing.VERIFIED
    assert standing_of(operator, Step.PORT_FORWARDING) is Standing.DOUBTFUL
    assert PUBLIC_DNS[1] in text
    assert "Older." not in text
    assert "3 minutes ago" in text
    assert "<mail.example.com> refuses connections." in text
    assert 'href="/gateways/default/#findings"' in text


@pytest.mark.usefixtures("network")
def test_what_a_finding_says_is_never_markup(operator: Client, gateway: Gateway) -> None:
    preflight(gateway, ("dns-public", "<b>bold</b>"), findings=(REFUSES,))
    for address in (PAGE, REQUEST):
        page = operator.get(address).content.decode()
        assert "&lt;b&gt;bold&lt;/b&gt;" in page
        assert "&lt;mail.example.com&gt; refuses" in page


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(
    ("proofs", "standing"), [(["token"], Standing.VERIFIED), ([], Standing.DOUBTFUL)]
)
def test_a_staging_test_that_proved_every_name_anew_ticks_the_way_in(
    operator: Client, gateway: Gateway, proofs: list[str], standing: Standing
) -> None:
    issuance = make_issuance(gateway)
    at = timezone.now()
    account = Account.objects.create(directory_url="https://ca.example/dir", sealed_key="sealed")
    Order.objects.create(
        issuance=issuance,
        environment=Environment.STAGING.value,
        account=account,
        status=OrderStatus.VALID,
        challenge_tokens=proofs,
    )
    Stage.objects.create(
        issuance=issuance,
        stage=State.STAGING_TEST.value,
        state=StageState.DONE,
        started_at=at,
        finished_at=at,
    )
    preflight(gateway, findings=(REFUSES,))
    assert standing_of(operator, Step.PORT_FORWARDING) is standing

    gateway.additional_hostnames = ["other.example.com"]
    gateway.save()
    assert standing_of(operator, Step.PORT_FORWARDING) is Standing.UNVERIFIED


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(
    ("wishes", "is_outdated"),
    [
        (Wishes(challenge_port="8082"), True),
        (Wishes(network_scenario="external", challenge_port="8081"), True),
        (Wishes(contact_email="a@example.com", challenge_port="8081"), False),
    ],
)
def test_a_tick_is_gone_when_the_port_or_the_scenario_has_changed(
    operator: Client, gateway: Gateway, wishes: Wishes, is_outdated: bool
) -> None:
    preflight(gateway, PUBLIC_DNS, PUBLIC_PORT)
    configure("default", wishes, now=timezone.now())
    page = operator.get(PAGE)

    assert page.context["guidance"].is_outdated is is_outdated
    standings = {each.step.anchor: each.standing for each in page.context["steps"]}
    assert standings["way-in"] is (Standing.UNVERIFIED if is_outdated else Standing.VERIFIED)
    said = "have changed since the last preflight check" in page.content.decode()
    assert said is is_outdated


@pytest.mark.usefixtures("network")
def test_a_preflight_of_other_names_ticks_nothing(operator: Client, gateway: Gateway) -> None:
    preflight(gateway, PUBLIC_DNS, names=["mail.example.com", "old.example.com"])
    assert standing_of(operator, Step.PUBLIC_DNS) is Standing.UNVERIFIED
    assert operator.get(PAGE).context["guidance"].is_outdated


@pytest.mark.usefixtures("network")
def test_the_same_names_in_another_order_are_no_other_names(
    operator: Client, gateway: Gateway
) -> None:
    gateway.additional_hostnames = ["smtp.example.com"]
    gateway.save()
    preflight(gateway, PUBLIC_DNS, names=[*reversed(gateway.names), gateway.hostname])
    assert standing_of(operator, Step.PUBLIC_DNS) is Standing.VERIFIED
    assert "have been changed since" not in words(operator, "/gateways/default/")

    gateway.additional_hostnames = []
    gateway.save()
    assert standing_of(operator, Step.PUBLIC_DNS) is Standing.UNVERIFIED
    assert "have been changed since" in words(operator, "/gateways/default/")


@pytest.mark.usefixtures("network")
def test_the_other_scenario_is_shown_without_ticks(operator: Client, gateway: Gateway) -> None:
    preflight(gateway, PUBLIC_DNS)
    page = operator.get(f"{PAGE}?scenario=external").content.decode()
    assert "data-standing" not in page
    assert "This is the other scenario" in page


@pytest.mark.usefixtures("network")
def test_nothing_was_looked_at_for_the_other_scenario(operator: Client, gateway: Gateway) -> None:
    preflight(gateway, PUBLIC_DNS)
    assert operator.get(PAGE).context["guidance"].last
    assert operator.get(f"{PAGE}?scenario=external").context["guidance"].last is None


@pytest.mark.usefixtures("network")
def test_the_request_is_for_the_configured_scenario_whatever_the_address_asks_for(
    operator: Client, gateway: Gateway
) -> None:
    preflight(gateway, PUBLIC_DNS, findings=(REFUSES,))
    text = words(operator, f"{REQUEST}?scenario=external")
    assert "Port forwarding rule on the router" in text
    assert "refuses connections." in text
    assert "nothing to report" not in text


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("scenario", ["", "moon", "lan'"])
def test_a_scenario_that_does_not_exist_is_the_configured_one(
    operator: Client, scenario: str
) -> None:
    page = operator.get(PAGE, {"scenario": scenario})
    assert page.context["scenario"] == "lan"


@pytest.mark.usefixtures("network")
def test_while_a_preflight_runs_the_steps_fetch_themselves_again(
    operator: Client, gateway: Gateway
) -> None:
    preflight(gateway, PUBLIC_DNS, ago=5 * MINUTE)
    running = preflight(
        gateway, ago=MINUTE / 20, finished_at=None, progress="Asking the public DNS"
    )
    page = operator.get(PAGE)
    part = operator.get(PAGE, headers=HTMX)

    assert 'hx-trigger="every 1s"' in page.content.decode()
    assert "Asking the public DNS" in page.content.decode()
    # The last one's ticks stay meanwhile.
    assert standing_of(operator, Step.PUBLIC_DNS) is Standing.VERIFIED
    assert "<html" not in part.content.decode()
    assert 'hx-swap-oob="innerHTML:#guidance-news"' in part.content.decode()
    seen = {"seen": part.context["guidance"].running.sight}
    again = operator.get(PAGE, seen, headers=HTMX)
    assert "hx-swap-oob" not in again.content.decode()

    Preflight.objects.filter(pk=running.pk).update(finished_at=timezone.now())
    ended = operator.get(PAGE, seen, headers=HTMX).content.decode()
    assert "hx-trigger" not in ended
    assert "The preflight has ended" in ended


@pytest.mark.usefixtures("network")
def test_a_preflight_that_nobody_ends_is_not_waited_for(operator: Client, gateway: Gateway) -> None:
    preflight(gateway, ago=60 * MINUTE, finished_at=None)
    assert "hx-trigger" not in operator.get(PAGE).content.decode()


@pytest.mark.parametrize("address", [PAGE, REQUEST, GENERAL])
@pytest.mark.usefixtures("network")
def test_both_roles_read_and_nobody_posts(
    administrator: Client, operator: Client, address: str
) -> None:
    assert administrator.get(address).status_code == HTTPStatus.OK
    assert operator.get(address).status_code == HTTPStatus.OK
    assert Client().get(address).status_code == HTTPStatus.FOUND
    assert administrator.post(address).status_code == HTTPStatus.METHOD_NOT_ALLOWED
    assert operator.post(address).status_code == HTTPStatus.FORBIDDEN


def test_only_an_administrator_has_the_button(
    administrator: Client, operator: Client, gateway: Gateway
) -> None:
    assert "Run preflight check" in administrator.get(PAGE).content.decode()
    assert "Run preflight check" not in operator.get(PAGE).content.decode()


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("address", [PAGE, REQUEST])
def test_a_gateway_that_does_not_exist_has_no_guidance(administrator: Client, address: str) -> None:
    assert administrator.get(address).status_code == HTTPStatus.NOT_FOUND


def test_before_there_is_a_gateway_the_guidance_is_there_without_ticks(
    administrator: Client,
) -> None:
    page = administrator.get(GENERAL)
    assert page.status_code == HTTPStatus.OK
    assert "data-standing" not in page.content.decode()
    assert "your gateway" in page.content.decode()


@pytest.mark.usefixtures("gateway")
def test_the_general_guidance_leads_to_each_gateways_own(administrator: Client) -> None:
    make_gateway("second", "mail.example.net")
    page = administrator.get(GENERAL).content.decode()
    assert f'href="{PAGE}"' in page
    assert 'href="/gateways/second/guidance/"' in page


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(
    ("address", "link"),
    [
        ("/gateways/default/", PAGE),
        ("/gateways/default/settings/", PAGE),
        ("/settings/network/", GENERAL),
        ("/gateways/add/", GENERAL),
        (PAGE, REQUEST),
    ],
)
def test_the_guidance_is_linked_where_it_is_wanted(
    administrator: Client, address: str, link: str
) -> None:
    assert f'href="{link}"' in administrator.get(address).content.decode()


def test_a_problem_leads_to_its_step(administrator: Client, gateway: Gateway) -> None:
    make_issuance(gateway, State.FAILED, problem_facts=REFUSES.to_json())
    assert f'href="{PAGE}#way-in"' in administrator.get("/gateways/default/").content.decode()
    assert 'id="way-in"' in administrator.get(PAGE).content.decode()
    assert f'href="{PAGE}#way-in"' in administrator.get("/warnings/").content.decode()


@pytest.mark.usefixtures("network")
def test_the_request_names_the_rule_the_records_and_who_asks(
    operator: Client, gateway: Gateway
) -> None:
    gateway.additional_hostnames = ["smtp.example.com"]
    gateway.contact_email = "postmaster@example.com"
    gateway.save()
    preflight(gateway, PUBLIC_DNS, findings=(REFUSES,))
    text = words(operator, REQUEST)

    for phrase in (
        "Port forwarding rule on the router",
        "any address, any port",
        "203.0.113.7 (as the public DNS has it), TCP port 80",
        "TCP port 8081",
        "validates a name from several places of the world at once",
        "mail.example.com</th>",
        "smtp.example.com</th>",
        "Warning: Port 80 of 203.0.113.7 <mail.example.com> refuses connections.",
        f"In order: {PUBLIC_DNS[1]}",
        "otto, Gateway Admin at testserver",
        "postmaster@example.com",
        f"{timezone.now():%Y}",
    ):
        assert phrase in text


@pytest.mark.usefixtures("network")
def test_the_request_of_an_external_network_asks_for_a_firewall_rule(operator: Client) -> None:
    NetworkSettings.objects.update(scenario="external", challenge_port=80)
    text = words(operator, REQUEST)
    assert "1. Firewall rule" in text
    assert "router" not in text.replace("router, firewall and DNS", "")
    assert "translate to" not in text
    assert "internal DNS" not in text

    NetworkSettings.objects.update(challenge_port=8081)
    assert "translate to TCP port 8081" in words(operator, REQUEST)


@pytest.mark.usefixtures("network")
def test_the_request_says_when_nothing_was_measured(operator: Client, gateway: Gateway) -> None:
    assert "Nothing has been measured yet" in words(operator, REQUEST)
    preflight(gateway, PUBLIC_DNS, names=["old.example.com"])
    assert "nothing has been measured with the present ones yet" in words(operator, REQUEST)
    preflight(gateway)
    assert "nothing to report about router, firewall and DNS." in words(operator, REQUEST)


@pytest.mark.usefixtures("network")
def test_the_request_tells_what_came_to_the_challenge_port(
    operator: Client, gateway: Gateway
) -> None:
    assert "Requests that came" not in words(operator, REQUEST)
    at = timezone.now() - MINUTE
    issuance = make_issuance(gateway, State.FAILED)
    Stage.objects.create(
        issuance=issuance,
        stage=State.STAGING_TEST.value,
        state=StageState.FAILED,
        started_at=at,
        finished_at=at,
    )
    account = Account.objects.create(directory_url="https://ca.example/dir", sealed_key="sealed")
    Order.objects.create(
        issuance=issuance,
        account=account,
        environment=Environment.STAGING.value,
        sealed_key="sealed",
        challenge_tokens=["token"],
    )
    for address in ("203.0.113.1", "198.51.100.1"):
        ValidationRequest.objects.create(
            token="token", is_known=True, received_at=timezone.now(), address=address
        )
    with CaptureQueriesContext(connection) as captured:
        text = words(operator, REQUEST)
    assert len(captured) <= 12, "\n".join(q["sql"][:150] for q in captured)
    assert "Requests that came to the challenge port" in text
    assert "2 validation requests from 2 networks arrived" in text


@pytest.mark.usefixtures("network")
def test_the_request_says_nothing_of_visits_while_no_ca_was_asked_to_validate(
    operator: Client, gateway: Gateway
) -> None:
    at = timezone.now() - MINUTE
    issuance = make_issuance(gateway, State.FAILED)
    Stage.objects.create(
        issuance=issuance,
        stage=State.STAGING_TEST.value,
        state=StageState.FAILED,
        started_at=at,
        finished_at=at,
    )
    order = Order.objects.create(
        issuance=issuance,
        account=Account.objects.create(directory_url="https://ca.example/dir"),
        environment=Environment.STAGING.value,
    )
    assert "Requests that came" not in words(operator, REQUEST)
    Order.objects.filter(pk=order.pk).update(challenge_tokens=["token"])
    assert "Requests that came" in words(operator, REQUEST)


@pytest.mark.usefixtures("network")
def test_an_ipv6_address_stands_in_a_row_for_aaaa_records_alone(
    operator: Client, gateway: Gateway
) -> None:
    gateway.additional_hostnames = ["smtp.example.com"]
    gateway.save()
    addresses = {
        "mail.example.com": ["2600:1f14::7", "203.0.113.7"],
        "smtp.example.com": ["203.0.113.8"],
    }
    preflight(gateway, addresses=addresses)
    row = r'class="name">(\S+)</th> <td[^>]*>(\w+)</td> <td[^>]*>([^<]*)</td>'
    assert re.findall(row, words(operator, REQUEST)) == [
        ("mail.example.com", "A", "203.0.113.7"),
        ("smtp.example.com", "A", "203.0.113.8"),
        ("mail.example.com", "AAAA", "now 2600:1f14::7"),
    ]
    preflight(gateway, ago=MINUTE, addresses={name: ["2600:1f14::7"] for name in gateway.names})
    assert 'all of these names</th> <td data-label="Type">AAAA</td>' in words(operator, REQUEST)


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("is_here_newer", [True, False])
def test_the_machine_that_is_named_does_not_depend_on_who_reported_last(
    operator: Client, is_here_newer: bool
) -> None:
    now = timezone.now()
    for host, is_newer in (("elsewhere.lan", not is_here_newer), (gethostname(), is_here_newer)):
        ChallengeListener.objects.create(
            host=host,
            pid=1,
            port=8081,
            wanted_port=8081,
            started_at=now,
            seen_at=now if is_newer else now - datetime.timedelta(seconds=1),
        )
    assert operator.get(PAGE).context["machine"] == advice.this_machine()


@pytest.mark.usefixtures("network")
def test_the_request_leaves_out_what_the_network_team_cannot_mend(
    operator: Client, gateway: Gateway
) -> None:
    full = Problem("disk-full", Severity.ERROR, "The data directory is full.")
    preflight(gateway, findings=(full, REFUSES))
    text = words(operator, REQUEST)
    assert "refuses connections." in text
    assert "The data directory is full." not in text


@pytest.mark.usefixtures("network")
def test_what_has_no_room_on_the_sheet_is_counted(operator: Client, gateway: Gateway) -> None:
    many = tuple(("port-served", f"Sentence {number}.") for number in range(30))
    preflight(gateway, *many, findings=(REFUSES,))
    text = words(operator, REQUEST)
    assert text.count("In order: Sentence") == 7
    assert "23 more are in the console." in text


@pytest.mark.usefixtures("network")
def test_no_page_asks_the_database_more_than_twelve_times(
    operator: Client, gateway: Gateway
) -> None:
    gateway.additional_hostnames = [f"n{number}.example.com" for number in range(99)]
    gateway.save()
    for number in range(20):
        preflight(gateway, PUBLIC_DNS, findings=(REFUSES,) * 100, ago=number * MINUTE)
    make_issuance(gateway)
    counts = {}
    for address in (PAGE, REQUEST, GENERAL):
        with CaptureQueriesContext(connection) as captured:
            operator.get(address)
        counts[address] = len(captured)
    assert {address: count for address, count in counts.items() if count > 12} == {}
