"""A certificate by hand, from the first file to the return to Let's Encrypt, in the browser."""

from __future__ import annotations

import datetime
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12
from playwright.sync_api import Page, expect

from certificates.models import Certificate, CertificateRequest, CertificateSource, Gateway, Origin
from certificates.store import private_key
from tests.browser import scenes
from tests.browser.conftest import OpenAs
from tests.browser.test_look import faults
from tests.certificates.chains import Link, make_chain

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PASSWORD = "a long password"
WITH_AND_WITHOUT = pytest.mark.parametrize("java_script_enabled", [True, False])


class Disk:
    """Where the person at the browser keeps files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def keep(self, name: str, content: bytes) -> Path:
        """A file to be uploaded."""
        path = self.directory / name
        path.write_bytes(content)
        return path


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """An empty one."""
    return Disk(tmp_path)


def press(page: Page, button: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()


def in_use(gateway: Gateway) -> Certificate | None:
    gateway.refresh_from_db()
    return gateway.selected_certificate


def live(data_dir: Path) -> str:
    return (data_dir / "live" / "default" / "cert.pem").read_text()


def import_files(page: Page, disk: Disk, leaf: Link) -> None:
    page.get_by_label("Certificate file").set_input_files(disk.keep("chain.pem", leaf.chain_pem))
    page.get_by_label("Private key file").set_input_files(disk.keep("key.pem", leaf.key_pem()))
    press(page, "Import certificate")


@WITH_AND_WITHOUT
def test_a_certificate_is_brought_in_used_replaced_and_taken_back(
    open_as: OpenAs, disk: Disk, data_dir: Path, java_script_enabled: bool
) -> None:
    scene = scenes.bare()
    gateway = Gateway.objects.get()
    page = open_as(scene.viewer, java_script_enabled=java_script_enabled)
    page.goto("/gateways/default/")
    press(page, "Import certificate")
    first = make_chain("mail.example.com")
    import_files(page, disk, first)
    expect(page.get_by_text("The certificate was imported. It is not in use yet.")).to_be_visible()

    press(page, "Use this certificate")
    expect(page.get_by_text("automatic renewal is off")).to_be_visible()
    press(page, "Use this certificate")
    expect(page.get_by_text("Automatic renewal is off because")).to_be_visible()
    expect(page.get_by_role("button", name="Return to Let's Encrypt")).to_be_visible()
    old = in_use(gateway)
    assert old is not None
    assert live(data_dir) == first.pem.decode()

    page.get_by_role("link", name="View the certificate").click()
    page.get_by_role("link", name="Replace").click()
    second = make_chain("mail.example.com")
    page.get_by_label("Certificate text").fill(second.chain_pem.decode())
    page.get_by_label("Private key text").fill(second.key_pem().decode())
    press(page, "Replace")
    expect(page.get_by_text("it is in use")).to_be_visible()
    assert live(data_dir) == second.pem.decode()

    page.get_by_role("button", name="Use this certificate of").click()
    expect(page.get_by_text("The certificate is in use now.")).to_be_visible()
    assert in_use(gateway) == old
    assert live(data_dir) == first.pem.decode()

    press(page, "Return to Let's Encrypt")
    expect(page.get_by_text("A certificate from Let's Encrypt has been asked for.")).to_be_visible()
    gateway.refresh_from_db()
    assert gateway.certificate_source == CertificateSource.LETS_ENCRYPT
    assert live(data_dir) == first.pem.decode()


@WITH_AND_WITHOUT
def test_what_is_refused_loses_nothing_that_was_typed(
    open_as: OpenAs, disk: Disk, java_script_enabled: bool
) -> None:
    page = open_as(scenes.bare().viewer, java_script_enabled=java_script_enabled)
    page.goto("/certificates/import/?gateway=default")
    foreign, own = make_chain("mail.example.org"), make_chain("mail.example.com")
    import_files(page, disk, foreign)
    alone = "This certificate is for mail.example.org; the gateway is mail.example.com."
    expect(page.get_by_text(alone).first).to_be_visible()
    expect(page.get_by_text("please choose them again")).to_be_visible()

    page.get_by_label("Certificate text").fill(own.chain_pem.decode())
    page.get_by_label("Private key text").fill(foreign.key_pem().decode())
    press(page, "Import certificate")
    field = page.get_by_label("Private key file")
    expect(field).to_have_attribute("aria-invalid", "true")
    text = page.get_by_label("Certificate text")
    assert text.input_value().split() == own.chain_pem.decode().split()
    assert page.get_by_label("Private key text").input_value() == ""

    page.get_by_label("Private key text").fill(own.key_pem(password=b"sesame").decode())
    page.get_by_label("Password").fill("mistyped")
    press(page, "Import certificate")
    expect(page.get_by_label("Password")).to_have_attribute("aria-invalid", "true")
    assert page.get_by_label("Password").input_value() == ""
    page.get_by_label("Private key text").fill(own.key_pem(password=b"sesame").decode())
    page.get_by_label("Password").fill("sesame")
    press(page, "Import certificate")
    expect(page.get_by_text("It is not in use yet.")).to_be_visible()


@WITH_AND_WITHOUT
def test_what_cannot_be_used_has_no_button_to_press_but_a_reason(
    open_as: OpenAs, disk: Disk, java_script_enabled: bool
) -> None:
    page = open_as(scenes.bare().viewer, java_script_enabled=java_script_enabled)
    page.goto("/certificates/import/?gateway=default")
    hour = datetime.timedelta(hours=1)
    begin = datetime.datetime.now(datetime.UTC) - 2 * hour
    import_files(page, disk, make_chain("mail.example.com", begin=begin, lifetime=hour))
    button = page.get_by_role("button", name="Use this certificate", exact=True)
    expect(button).to_be_disabled()
    described = button.get_attribute("aria-describedby")
    expect(page.locator(f"#{described}")).to_contain_text("expired on")


@WITH_AND_WITHOUT
@pytest.mark.usefixtures("data_dir")
def test_a_self_signed_certificate_is_two_clicks_from_the_gateway(
    open_as: OpenAs, java_script_enabled: bool
) -> None:
    page = open_as(scenes.bare().viewer, java_script_enabled=java_script_enabled)
    page.goto("/gateways/default/")
    press(page, "Create self-signed certificate")
    expect(page.get_by_text("other computers do not trust it")).to_be_visible()
    press(page, "Use this certificate")
    press(page, "Use this certificate")
    expect(page.get_by_text("Automatic renewal is off because")).to_be_visible()
    expect(page.locator('[data-code="certificate-self-signed"]')).to_be_visible()
    found = in_use(Gateway.objects.get())
    assert found is not None
    assert found.origin == Origin.SELF_SIGNED


@WITH_AND_WITHOUT
@pytest.mark.usefixtures("data_dir")
def test_a_certificate_is_requested_signed_elsewhere_and_used(
    open_as: OpenAs, disk: Disk, java_script_enabled: bool
) -> None:
    page = open_as(scenes.bare().viewer, java_script_enabled=java_script_enabled)
    page.goto("/certificates/")
    press(page, "Create certificate request")
    page.get_by_label("Organization", exact=True).fill("Example Ltd")
    page.get_by_label("Country").fill("DE")
    press(page, "Create certificate request")
    expect(page.get_by_role("heading", name="The CA's answer")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the CSR").click()
    assert download.value.suggested_filename == "mail.example.com.csr"
    answer = sign_with_openssl(Path(download.value.path()), disk)

    page.goto("/certificates/")
    page.get_by_role("rowheader").get_by_role("link", name="mail.example.com").click()
    page.get_by_label("Certificate file").set_input_files(answer)
    press(page, "Import certificate")
    expect(page.get_by_text("It is not in use yet.")).to_be_visible()
    press(page, "Use this certificate")
    press(page, "Use this certificate")
    expect(page.get_by_text("The certificate is in use now.")).to_be_visible()
    found = in_use(Gateway.objects.get())
    assert found is not None
    assert found.origin == Origin.REQUESTED
    assert CertificateRequest.objects.get().certificate == found


@WITH_AND_WITHOUT
def test_a_pfx_file_leaves_for_ones_own_password_alone(
    open_as: OpenAs, disk: Disk, java_script_enabled: bool
) -> None:
    page = open_as(scenes.bare().viewer, java_script_enabled=java_script_enabled)
    page.goto("/certificates/import/?gateway=default")
    import_files(page, disk, make_chain("mail.example.com"))
    page.get_by_role("link", name="PFX or private key").click()
    page.get_by_label("Password for the file", exact=True).fill("for the file")
    page.get_by_label("Password for the file, again").fill("for the file")
    page.get_by_label("Your own password").fill("not mine")
    press(page, "Export")
    expect(page.get_by_label("Your own password")).to_have_attribute("aria-invalid", "true")

    page.get_by_label("PFX file, legacy encryption").check()
    page.get_by_label("Password for the file", exact=True).fill("for the file")
    page.get_by_label("Password for the file, again").fill("for the file")
    page.get_by_label("Your own password").fill(PASSWORD)
    with page.expect_download() as download:
        press(page, "Export")
    assert download.value.suggested_filename == "mail.example.com.pfx"
    content = Path(download.value.path()).read_bytes()
    opened = pkcs12.load_pkcs12(content, b"for the file")
    assert opened.cert is not None
    assert opened.cert.friendly_name == b"mail.example.com"
    assert private_key(Certificate.objects.get())
    page.goto("/log/")
    expect(page.get_by_text("was exported as PFX with legacy encryption by")).to_be_visible()
    expect(page.get_by_text("entered a wrong password")).to_be_visible()


def test_refused_forms_are_accessible(open_as: OpenAs, disk: Disk) -> None:
    scene = scenes.manual()
    page = open_as(scene.viewer, reduced_motion="reduce")
    page.goto("/certificates/import/?gateway=default")
    import_files(page, disk, make_chain("mail.example.org"))
    assert faults(page) == []
    for path, button in (
        (next(path for path in scene.paths if path.endswith("/export/")), "Export"),
        (next(path for path in scene.paths if path.endswith("/replace/")), "Replace"),
    ):
        page.goto(path)
        press(page, button)
        expect(page.get_by_role("alert").first).to_be_visible()
        assert faults(page) == [], path


def test_the_records_and_the_chain_can_be_copied_and_downloaded(
    open_as: OpenAs, disk: Disk
) -> None:
    page = open_as(scenes.bare().viewer, permissions=["clipboard-read", "clipboard-write"])
    page.goto("/certificates/import/?gateway=default")
    leaf = make_chain("mail.example.com")
    import_files(page, disk, leaf)
    press(page, "Copy the TLSA records for SMTP")
    expect(page.get_by_text("Copied")).to_be_visible()
    copied = str(page.evaluate("navigator.clipboard.readText()"))
    assert copied.startswith("_25._tcp.mail.example.com. IN TLSA 3 1 1 ")
    with page.expect_download() as download:
        page.get_by_role("link", name="cert.pem").click()
    assert Path(download.value.path()).read_bytes() == leaf.pem


def sign_with_openssl(csr: Path, disk: Disk) -> Path:
    """What a CA elsewhere makes of the request, by a program that is not ours."""

    def openssl(*arguments: object) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    root, key, answer = (disk.directory / name for name in ("ca.pem", "ca.key", "answer.p7b"))
    leaf = disk.directory / "leaf.pem"
    openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Bought Root"),
        *("-keyout", key, "-out", root, "-days", "30"),
    )
    openssl(
        *("x509", "-req", "-in", csr, "-CA", root, "-CAkey", key, "-copy_extensions", "copy"),
        *("-days", "30", "-out", leaf),
    )
    openssl(
        *("crl2pkcs7", "-nocrl", "-certfile", leaf, "-certfile", root),
        *("-outform", "DER", "-out", answer),
    )
    return answer
