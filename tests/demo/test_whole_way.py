"""The whole way of an administrator, in a browser, on the real demonstration."""

from __future__ import annotations

import re

import pytest
from cryptography import x509
from playwright.sync_api import Page, Response, expect

from tests.launch.running import Run, StartRun
from tests.parts.chromium import Pages
from tests.parts.processes import answers, free_port, wait_until
from tests.parts.product import PASSWORD

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(300)]

HOSTNAME = "mx.example.test"
TO_THE_END = 30_000  # milliseconds


@pytest.fixture
def demo(start_run: StartRun) -> Run:
    """A demonstration that is ready."""
    run = start_run("--demo")
    run.wait_until_ready()
    return run


def setup_link(run: Run) -> str:
    """The link that was printed on the terminal."""
    (link,) = (line.removeprefix("Set up at ") for line in run.lines if line.startswith("Set up"))
    return link


def claim(page: Page, run: Run) -> None:
    """Open the setup link and make the first administrator."""
    page.goto(setup_link(run))
    page.get_by_label("Name", exact=True).fill("admin")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password, again").fill(PASSWORD)
    page.get_by_role("button", name="Create administrator").click()


def opened(page: Page, address: str) -> Response:
    """What the console answers to whoever opens this address."""
    answer = page.goto(address)
    assert answer is not None
    return answer


def fill_in_the_form(page: Page) -> None:
    """The guided form, with the defaults that it proposes."""
    page.get_by_label("Hostname", exact=True).fill(HOSTNAME)
    page.get_by_label("Additional hostnames").fill(f"imap.{HOSTNAME}")
    page.get_by_label("Contact email").fill("postmaster@example.com")
    page.get_by_label("Local area network (behind a router with NAT)").check()
    expect(page.get_by_label("Let's Encrypt HTTP-01 challenge port")).not_to_have_value("")
    page.get_by_label("Let's Encrypt", exact=True).check()
    page.get_by_label("I agree to the Let's Encrypt terms of service").check()
    page.get_by_role("button", name="Save").click()


def press_the_button(page: Page) -> None:
    """Press the one button that matters."""
    page.get_by_role("button", name="Test and obtain certificate").first.click()


def wait_for_word(page: Page, word: str, *, java_script: bool) -> None:
    """Wait until the issuance's page says that it has ended; without JavaScript it is reloaded."""
    assert re.search(r"/issuances/\d+/$", page.url)
    word_shown = page.locator("#issuance").get_by_text(word, exact=True).first
    if java_script:
        expect(word_shown).to_be_visible(timeout=TO_THE_END)
        return

    address = page.url

    def reloaded() -> bool:
        # The page reloads itself as well, and a reload in the middle of that would be refused.
        page.goto(address)
        return word_shown.is_visible()

    wait_until(reloaded, f"The issuance is {word}", timeout=TO_THE_END / 1000)


@pytest.mark.parametrize("java_script", [True, False], ids=["with htmx", "without JavaScript"])
def test_from_the_setup_link_that_works_once_to_the_certificate_in_the_gateways_files(
    demo: Run, pages: Pages, java_script: bool
) -> None:
    link, stranger = setup_link(demo), pages.open(java_script_enabled=java_script)
    for address in (f"{demo.url}/setup/", f"{demo.url}/setup/?token=guess"):
        assert opened(stranger, address).status == 403
    page = pages.open(java_script_enabled=java_script)
    claim(page, demo)
    expect(page.get_by_label("Hostname", exact=True)).to_be_visible()
    assert opened(stranger, link).status in {403, 404} or "/sign-in/" in stranger.url
    assert not (demo.data_dir / "setup-token").exists()

    fill_in_the_form(page)
    expect(page.get_by_role("main")).to_contain_text("TCP port 80 forwarded to port")
    press_the_button(page)
    wait_for_word(page, "Done", java_script=java_script)

    live = demo.data_dir / "live" / "default"
    chain = x509.load_pem_x509_certificates((live / "fullchain.pem").read_bytes())
    names = chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == [HOSTNAME, f"imap.{HOSTNAME}"]
    roots = x509.load_pem_x509_certificates((demo.data_dir / "demo" / "roots.pem").read_bytes())
    assert chain[-1].issuer in {root.subject for root in roots}

    page.goto(demo.url)
    main = page.get_by_role("main")
    expect(main).to_contain_text(HOSTNAME)
    expect(main).to_contain_text(re.compile(r"in (59|60) days"))
    page.goto(f"{demo.url}/log/")
    expect(page.get_by_role("main")).to_contain_text("is in use")
    expect(page.get_by_text("demonstration").first).to_be_visible()


def test_moving_the_challenge_port_meets_the_routers_rule_and_says_which_one_to_change(
    demo: Run, pages: Pages
) -> None:
    page = pages.open()
    claim(page, demo)
    fill_in_the_form(page)
    port = str(free_port())
    page.goto(f"{demo.url}/settings/network/")
    page.get_by_label("Let's Encrypt HTTP-01 challenge port").fill(port)
    page.get_by_role("button", name="Save").click()
    wait_until(lambda: answers(int(port)), "The new challenge port answers")
    page.goto(f"{demo.url}/gateways/default/")
    press_the_button(page)

    wait_for_word(page, "Failed", java_script=True)

    problem = page.locator("#issuance")
    expect(problem).to_contain_text(f"port {port}")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("closed-port", "was refused a connection"),
        # The explanations of these are tried in the lab, and the demo's faults beside this file.
        pytest.param("wrong-target", "not this gateway", marks=pytest.mark.soak),
        pytest.param("no-dns", "found no public address", marks=pytest.mark.soak),
        pytest.param("caa", "CAA record", marks=pytest.mark.soak),
    ],
)
def test_each_fault_fails_in_staging_is_explained_and_heals(
    fault: str,
    words: str,
    start_run: StartRun,
    pages: Pages,
) -> None:
    broken = start_run("--demo", "--demo-fault", fault)
    broken.wait_until_ready()
    page = pages.open()
    claim(page, broken)
    fill_in_the_form(page)
    press_the_button(page)
    wait_for_word(page, "Failed", java_script=True)
    expect(page.locator("#issuance")).to_contain_text(words)
    expect(page.locator("#issuance")).to_contain_text("Staging test")
    assert not (broken.data_dir / "live" / "default").exists()
    broken.stop()

    healed = start_run("--demo", port=broken.port)
    healed.wait_until_ready()
    page.reload()
    page.get_by_role("button", name="Try again").click()
    wait_for_word(page, "Done", java_script=True)
