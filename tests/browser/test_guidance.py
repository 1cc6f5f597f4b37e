"""The guidance in a browser: at every width, while a preflight runs, and on paper."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from certificates.models import Gateway, Preflight
from certificates.policy.guidance_steps import EXTERNAL, LAN
from challenges.models import NetworkSettings
from challenges.problems import Problem, Severity
from gateway_admin.models import Role, User
from tests.browser.conftest import OpenAs
from tests.browser.test_look import SMALL_TARGETS, STICKING_OUT, violations
from tests.console import make_gateway

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

GUIDANCE = "/gateways/default/guidance/"
REQUEST = "/gateways/default/guidance/request/"
PATHS = (GUIDANCE, f"{GUIDANCE}?scenario=external", REQUEST, "/guidance/")
LONGEST_NAME = ".".join(("a" * 63, "b" * 63, "c" * 60, "example", "com"))
REFUSES = Problem(
    "public-port-refuses", Severity.WARNING, "Port 80 of 203.0.113.7 refuses connections."
)
ESTABLISHED = [
    ["names-usable", "Every name can be certified."],
    ["machine-address", "This machine has the address 192.168.0.10."],
    ["port-on-lan", "Port 8080 answers a token at 192.168.0.10."],
    ["dns-public", "mail.example.com leads to 203.0.113.7 in the public DNS."],
]


@pytest.fixture
def viewer(transactional_db: None) -> User:
    """An Administrator, and the settings of a network behind a router."""
    NetworkSettings.objects.create(pk=1, challenge_port=8080)
    return User.objects.create_user("anna.becker", role=Role.ADMINISTRATOR)


@pytest.fixture
def gateway(viewer: User) -> Gateway:
    """A gateway with a few names and a preflight that has found one thing."""
    gateway = make_gateway("default", "mail.example.com", additional_hostnames=["smtp.example.com"])
    look(gateway)
    return gateway


def look(gateway: Gateway, **fields: object) -> Preflight:
    """A preflight that ended three minutes ago, unless ``fields`` say otherwise."""
    at = timezone.now() - datetime.timedelta(minutes=3)
    values: dict[str, object] = {
        "names": gateway.names,
        "established": ESTABLISHED,
        "findings": [REFUSES.to_json()],
        "started_at": at,
        "taken_at": at,
        "finished_at": at,
    }
    return Preflight.objects.create(gateway=gateway, **{**values, **fields})


def rename(gateway: Gateway, additional: list[str]) -> None:
    gateway.additional_hostnames = additional
    gateway.save()
    look(gateway)


def faults(page: Page) -> Iterator[str]:
    """What is wrong with each page of the guidance in this window."""
    for path in PATHS:
        page.goto(path)
        page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
        found = violations(page) + page.evaluate(STICKING_OUT) + page.evaluate(SMALL_TARGETS)
        yield from (f"{path}: {each}" for each in found)


def pages_of(pdf: bytes) -> int:
    """How many sheets a PDF of Chromium has."""
    return sum(int(count) for count in re.findall(rb"/Type /Pages\s+/Count (\d+)", pdf))


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (320, "dark"),
        (1440, "light"),
        pytest.param(768, "light", marks=pytest.mark.soak),
        pytest.param(1920, "dark", marks=pytest.mark.soak),
    ],
)
def test_the_guidance_is_accessible_at_every_width(
    open_as: OpenAs, viewer: User, gateway: Gateway, width: int, scheme: str
) -> None:
    page = open_as(viewer, viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert list(faults(page)) == []
    rename(gateway, [f"{'n' * 50}{number}.example.com" for number in range(19)] + [LONGEST_NAME])
    assert list(faults(page)) == []


def test_the_guidance_follows_a_running_preflight(
    open_as: OpenAs, viewer: User, gateway: Gateway
) -> None:
    now = timezone.now()
    running = look(
        gateway, started_at=now, taken_at=now, finished_at=None, established=[], findings=[]
    )
    page = open_as(viewer)
    page.goto(GUIDANCE)
    # Only for the page that was loaded: a reload would lose it.
    page.evaluate("window.stayed = true")
    Preflight.objects.filter(pk=running.pk).update(
        step=2, steps=9, progress="Asking the public DNS"
    )
    expect(page.locator("#guidance-news")).to_have_text("Step 2 of 9: Asking the public DNS")
    way_in = page.locator("#way-in .tick")
    expect(way_in).to_have_attribute("data-standing", "doubtful")
    Preflight.objects.filter(pk=running.pk).update(
        finished_at=timezone.now(), established=[["port-public", "It answers on port 80."]]
    )
    expect(way_in).to_have_attribute("data-standing", "verified")
    expect(way_in).to_contain_text("It answers on port 80.")
    expect(page.locator("#guidance-news")).to_contain_text("The preflight has ended")
    assert page.evaluate("window.stayed")
    assert page.locator("#guidance-live").get_attribute("hx-trigger") is None


@pytest.mark.usefixtures("gateway")
def test_the_guidance_works_by_keyboard_and_without_javascript(
    open_as: OpenAs, viewer: User
) -> None:
    page = open_as(viewer, java_script_enabled=False)
    page.goto(GUIDANCE)
    other = page.get_by_role("link", name="External network (public IP address)")
    other.focus()
    page.keyboard.press("Enter")
    expect(other).to_have_attribute("aria-current", "page")
    expect(page.get_by_text("This is the other scenario")).to_be_visible()
    page.get_by_role("link", name="Request for the network team").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Request for the network team")
    # A button that could do nothing is not shown; the hint beside it says how to print.
    expect(page.get_by_role("button", name="Print")).to_have_count(0)
    expect(page.get_by_text("Print this page with your browser")).to_be_visible()


@pytest.mark.usefixtures("gateway")
def test_the_print_button_prints(open_as: OpenAs, viewer: User) -> None:
    page = open_as(viewer)
    page.goto(REQUEST)
    page.evaluate("window.print = () => { document.title = 'printed'; }")
    page.get_by_role("button", name="Print").click()
    expect(page).to_have_title("printed")


@pytest.mark.parametrize("names", [0, 5, 6, 20])
def test_the_request_is_one_sheet_of_paper(
    open_as: OpenAs, viewer: User, gateway: Gateway, names: int
) -> None:
    additional = [f"gateway-{n}.customers-of-ours.mail.example.com" for n in range(names)]
    rename(gateway, additional)
    findings = [
        Problem(
            "dns-no-such-name",
            Severity.ERROR,
            f"gateway-{n}.customers-of-ours.mail.example.com does not exist in the public DNS, "
            "neither for IPv4 nor for IPv6, as two of two servers say.",
        ).to_json()
        for n in range(20)
    ]
    now = timezone.now()
    addresses = {name: ["203.0.113.7", "2001:db8:1:2:3:4:5:6"] for name in gateway.names}
    look(
        gateway,
        started_at=now,
        taken_at=now,
        finished_at=now,
        findings=findings,
        addresses=addresses,
    )
    page = open_as(viewer, color_scheme="dark")
    sheets = {}
    for scenario, port in ((LAN, 80), (LAN, 8080), (EXTERNAL, 80), (EXTERNAL, 8080)):
        NetworkSettings.objects.update(scenario=scenario, challenge_port=port)
        page.goto(REQUEST)
        sheets[scenario, port] = pages_of(page.pdf(prefer_css_page_size=True))
    assert set(sheets.values()) == {1}, sheets


def test_a_hundred_names_are_printed_on_as_many_sheets_as_they_need(
    open_as: OpenAs, viewer: User, gateway: Gateway
) -> None:
    rename(gateway, [f"gateway-{n}.example.com" for n in range(99)])
    page = open_as(viewer)
    page.goto(REQUEST)
    assert 1 < pages_of(page.pdf(prefer_css_page_size=True)) <= 3


@pytest.mark.usefixtures("gateway")
def test_paper_is_white_its_letters_black_and_it_has_no_navigation(
    open_as: OpenAs, viewer: User
) -> None:
    page = open_as(viewer, color_scheme="dark")
    page.goto(REQUEST)
    page.emulate_media(media="print")
    colours = page.locator(".request :is(h1, h2, p, dt, dd, th, td, li)").evaluate_all(
        "(all) => [...new Set(all.map((each) => getComputedStyle(each).color))]"
    )
    assert colours == ["rgb(0, 0, 0)"]
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    for gone in (".masthead", ".colophon", ".crumbs", "button"):
        assert not page.locator(gone).first.is_visible(), gone
