"""Certbot's directory: what is taken over from it, and how it is refused when it is broken."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.utils import timezone
from josepy.jwk import JWKRSA
from pytest_django import Settings

from certificates import accounts, deploying, pem, store, taking_over
from certificates.models import (
    Account,
    Certificate,
    CertificateSource,
    Event,
    FollowedFiles,
    Gateway,
    Origin,
)
from challenges.models import NetworkSettings
from challenges.problems import ProblemError
from tests.certificates.chains import Link, make_authority, make_chain, make_leaf
from tests.certificates.engine import DAY
from tests.console import make_gateway

SERVER = "https://ca.example/directory"
STAGING = "https://staging.ca.example/directory"
ACCOUNT_URL = "https://ca.example/acct/7"
CREATED = datetime.datetime(2024, 3, 1, 12, 0, tzinfo=datetime.UTC)
# Making one takes long, and no test compares the keys of two accounts.
ACCOUNT_KEY = JWKRSA(key=rsa.generate_private_key(65537, 2048)).json_dumps()


@dataclasses.dataclass(frozen=True)
class Certbot:
    """A directory as certbot would have left it."""

    directory: Path

    def account(self, identifier: str = "a1", server: str = SERVER) -> Path:
        """An account's directory."""
        place = self.directory / "accounts" / server.removeprefix("https://") / identifier
        place.mkdir(parents=True)
        (place / "private_key.json").write_text(ACCOUNT_KEY)
        registration = {"body": {"contact": ["mailto:ops@example.com"]}, "uri": ACCOUNT_URL}
        (place / "regr.json").write_text(json.dumps(registration))
        (place / "meta.json").write_text(
            json.dumps({"creation_dt": "2024-03-01T12:00:00Z", "creation_host": "mail"})
        )
        return place

    def lineage(
        self, leaf: Link, name: str = "", *, server: str = SERVER, account: str = "a1"
    ) -> Link:
        """The first version, or the next one, of a lineage."""
        name = name or leaf.certificate.subject.rfc4514_string().removeprefix("CN=")
        archive, live = self.directory / "archive" / name, self.directory / "live" / name
        for directory in (archive, live, self.directory / "renewal"):
            directory.mkdir(parents=True, exist_ok=True)
        version = len(list(archive.glob("cert*.pem"))) + 1
        files = {
            "cert": leaf.pem,
            "chain": leaf.chain_pem[len(leaf.pem) :],
            "fullchain": leaf.chain_pem,
            "privkey": leaf.key_pem(),
        }
        for kind, content in files.items():
            (archive / f"{kind}{version}.pem").write_bytes(content)
            (live / f"{kind}.pem").unlink(missing_ok=True)
            (live / f"{kind}.pem").symlink_to(f"../../archive/{name}/{kind}{version}.pem")
        (self.directory / "renewal" / f"{name}.conf").write_text(
            f"# renew_before_expiry = 30 days\nversion = 5.8.0\n"
            f"archive_dir = /etc/letsencrypt/archive/{name}\n"
            f"cert = /etc/letsencrypt/live/{name}/cert.pem\n\n"
            f"# Options used in the renewal process\n[renewalparams]\naccount = {account}\n"
            f"authenticator = webroot\nwebroot_path = /var/www/html,\nserver = {server}\n"
            f"key_type = ecdsa\n[[webroot_map]]\n{name} = /var/www/html\n"
        )
        return leaf

    def take(self, **options: object) -> taking_over.TakenOver:
        """What comes of it."""
        return taking_over.take_over(self.directory, timezone.now(), **options)  # type: ignore[arg-type]  # as given

    def refusal(self, **options: object) -> ProblemError:
        """Why nothing is taken over; and nothing is."""
        with pytest.raises(ProblemError) as caught:
            self.take(**options)
        assert "\n" not in caught.value.problem.explanation
        assert not Certificate.objects.exists()
        assert not Account.objects.exists()
        assert not Event.objects.exists()
        return caught.value


@pytest.fixture
def certbot(tmp_path: Path, data_dir: Path, settings: Settings, db: None) -> Certbot:
    """A directory with an account, for a console that asks the same CA."""
    settings.CONFIGURATION = dataclasses.replace(
        settings.CONFIGURATION, acme_production_url=SERVER, acme_staging_url=STAGING
    )
    NetworkSettings.objects.get_or_create(pk=1)
    made = Certbot(tmp_path / "letsencrypt")
    made.account()
    return made


def test_a_lineage_becomes_a_gateway_that_goes_on_by_itself(certbot: Certbot) -> None:
    leaf = certbot.lineage(make_chain("mx.example.org", "imap.example.org"))
    taken = certbot.take()
    (lineage,) = taken.lineages
    row = Gateway.objects.get()
    assert (row.slug, row.hostname) == ("mx-example-org", "mx.example.org")
    assert row.additional_hostnames == ["imap.example.org"]
    assert row.certificate_source == CertificateSource.LETS_ENCRYPT
    assert row.key_type == "ecdsa-p256"
    assert row.contact_email == "ops@example.com"
    assert row.terms_agreed_at == CREATED
    assert row.next_rehearsal_at is not None
    assert lineage.is_new_gateway
    assert lineage.is_in_use
    assert row.selected_certificate == lineage.certificate
    assert lineage.certificate.origin == Origin.LETS_ENCRYPT
    assert Certificate.objects.get().renewal_at is not None
    assert store.is_live(row, lineage.certificate)
    assert store.private_key(lineage.certificate) == leaf.key_der
    assert [note.code for note in taken.notes] == ["certbot-goes-on"]


def test_the_account_is_taken_over_with_its_key(certbot: Certbot) -> None:
    certbot.lineage(make_chain("mx.example.org"))
    account = certbot.take().account
    assert account is not None
    assert (account.directory_url, account.url) == (SERVER, ACCOUNT_URL)
    assert account.contact_email == "ops@example.com"
    assert "ca.example" not in account.sealed_key
    with accounts.connection(account) as ca:
        assert ca.account_url == ACCOUNT_URL
    assert Event.objects.filter(code="account-taken-over").count() == 1


def test_only_the_newest_version_is_taken_over(certbot: Certbot) -> None:
    certbot.lineage(make_chain("mx.example.org"))
    newer = certbot.lineage(make_chain("mx.example.org"))
    certbot.take()
    assert store.private_key(Certificate.objects.get()) == newer.key_der


def test_a_gateway_of_the_same_names_is_the_lineages(certbot: Certbot) -> None:
    certbot.lineage(make_chain("imap.example.org", "mx.example.org"), name="imap.example.org")
    row = make_gateway("default", "mx.example.org", additional_hostnames=["imap.example.org"])
    agreed = row.terms_agreed_at
    (lineage,) = certbot.take().lineages
    row.refresh_from_db()
    assert lineage.gateway == row
    assert not lineage.is_new_gateway
    assert lineage.is_in_use
    assert row.terms_agreed_at == agreed


def test_what_is_in_use_stays_unless_it_is_asked_for(certbot: Certbot) -> None:
    row = make_gateway("default", "mx.example.org")
    now = timezone.now()
    imported = store.add(
        row,
        *_facts_and_key(make_chain("mx.example.org")),
        Origin.IMPORTED,
    )
    deploying.select(imported, row, now)
    certbot.lineage(make_chain("mx.example.org"))
    (lineage,) = certbot.take().lineages
    assert not lineage.is_in_use
    (lineage,) = certbot.take(select=True).lineages
    assert lineage.is_in_use
    row.refresh_from_db()
    assert row.certificate_source == CertificateSource.LETS_ENCRYPT


def _facts_and_key(leaf: Link) -> tuple[pem.ChainFacts, bytes]:
    return pem.facts(leaf.chain), leaf.key_der


def test_what_comes_from_another_ca_is_imported_and_not_renewed(certbot: Certbot) -> None:
    certbot.lineage(make_chain("mx.example.org"), server="https://other.example/directory")
    (lineage,) = certbot.take().lineages
    assert lineage.certificate.origin == Origin.IMPORTED
    assert lineage.gateway.certificate_source == CertificateSource.MANUAL
    assert lineage.is_in_use
    assert Certificate.objects.get().renewal_at is None


def test_a_wildcard_is_taken_over_and_said_not_to_be_renewed(certbot: Certbot) -> None:
    certbot.lineage(make_chain("example.org", "*.example.org"))
    (lineage,) = certbot.take().lineages
    assert lineage.certificate.origin == Origin.IMPORTED
    assert "wildcard-not-renewed" in {note.code for note in lineage.notes}
    assert lineage.gateway.names == ["example.org"]


def test_an_expired_lineage_is_kept_and_not_used(certbot: Certbot) -> None:
    begin = timezone.now() - 100 * DAY
    certbot.lineage(make_chain("mx.example.org", begin=begin, lifetime=90 * DAY))
    (lineage,) = certbot.take().lineages
    assert not lineage.is_in_use
    assert "certificate-expired" in {note.code for note in lineage.notes}


def test_of_two_lineages_for_the_same_names_the_newer_one_is_used(certbot: Certbot) -> None:
    old, new = (make_chain("mx.example.org", begin=timezone.now() - age * DAY) for age in (30, 3))
    certbot.lineage(old, name="mx.example.org")
    certbot.lineage(new, name="mx.example.org-0001")
    certbot.take()
    row = Gateway.objects.select_related("selected_certificate").get()
    assert row.selected_certificate is not None
    assert store.private_key(row.selected_certificate) == new.key_der
    assert row.certificate_source == CertificateSource.LETS_ENCRYPT


def test_what_had_been_imported_by_its_files_is_renewed_from_now_on(certbot: Certbot) -> None:
    leaf = certbot.lineage(make_chain("mx.example.org"))
    row = make_gateway("default", "mx.example.org")
    store.add(row, *_facts_and_key(leaf), Origin.IMPORTED)
    (lineage,) = certbot.take().lineages
    assert lineage.certificate.origin == Origin.LETS_ENCRYPT
    assert Certificate.objects.get().origin == Origin.LETS_ENCRYPT


def test_a_gateway_that_follows_certbots_files_goes_on_following_them(certbot: Certbot) -> None:
    leaf = certbot.lineage(make_chain("mx.example.org"))
    row = make_gateway("default", "mx.example.org")
    certificate = store.add(row, *_facts_and_key(leaf), Origin.IMPORTED)
    FollowedFiles.objects.create(gateway=row, certificate_path="/x", certificate=certificate)
    taken = certbot.take()
    assert Certificate.objects.get().origin == Origin.IMPORTED
    assert not taken.lineages[0].is_renewed
    assert "goes on following /x" in not_renewed(taken)
    assert "Leave" in taken.notes[0].remedy[0]


def test_what_such_a_gateway_has_not_yet_seen_stays_the_other_tools(certbot: Certbot) -> None:
    row = make_gateway("default", "mx.example.org")
    FollowedFiles.objects.create(gateway=row, certificate_path="/x")
    certbot.lineage(make_chain("mx.example.org"))
    certbot.take()
    # Or what is in the followed files would be refused as one of our own.
    assert Certificate.objects.get().origin == Origin.IMPORTED


@pytest.mark.parametrize("in_use", [True, False])
def test_with_select_a_gateway_that_followed_is_renewed_here_and_follows_no_more(
    certbot: Certbot, *, in_use: bool
) -> None:
    leaf = certbot.lineage(make_chain("mx.example.org"))
    row = make_gateway("default", "mx.example.org")
    certificate = store.add(row, *_facts_and_key(leaf), Origin.IMPORTED)
    if in_use:
        deploying.select(certificate, row, timezone.now())
    FollowedFiles.objects.create(gateway=row, certificate_path="/x", certificate=certificate)
    taken = certbot.take(select=True)
    row = Gateway.objects.get()
    assert row.certificate_source == CertificateSource.LETS_ENCRYPT
    assert row.selected_certificate == certificate
    assert taken.lineages[0].is_renewed
    assert "certbot-no-longer-followed" in {note.code for note in taken.lineages[0].notes}
    assert not FollowedFiles.objects.exists()
    assert "disable --now certbot.timer" in taken.notes[0].remedy[0]


def not_renewed(taken: taking_over.TakenOver) -> str:
    """Why the only lineage is not renewed here, and what to do."""
    (lineage,) = taken.lineages
    (note,) = [note for note in lineage.notes if note.code == "certbot-not-renewed-here"]
    return " ".join((note.explanation, *note.remedy))


def test_what_is_selected_by_hand_is_said_not_to_be_renewed_and_select_changes_that(
    certbot: Certbot,
) -> None:
    leaf = certbot.lineage(make_chain("mx.example.org"))
    row = make_gateway("default", "mx.example.org")
    deploying.select(store.add(row, *_facts_and_key(leaf), Origin.IMPORTED), row, timezone.now())
    taken = certbot.take()
    assert taken.lineages[0].is_in_use
    assert not taken.lineages[0].is_renewed
    assert "source of default is Manual" in not_renewed(taken)
    assert "--select" in not_renewed(taken)
    assert "disable" not in " ".join(taken.notes[0].remedy)
    again = certbot.take(select=True)
    assert again.lineages[0].is_renewed
    assert Gateway.objects.get().uses_lets_encrypt
    assert "disable --now certbot.timer" in again.notes[0].remedy[0]


def test_certbot_is_to_be_disabled_only_where_all_its_certificates_are_renewed_here(
    certbot: Certbot,
) -> None:
    certbot.lineage(make_chain("mx.example.org"))
    certbot.lineage(make_chain("mail.example.com"))
    certbot.lineage(make_chain("example.net", "*.example.net"), name="example.net")
    part = certbot.take(wanted=["mx.example.org"])
    assert part.lineages[0].is_renewed
    assert "Not renewed here: example.net, mail.example.com." in part.notes[0].explanation
    everything = certbot.take()
    assert {each.name: each.is_renewed for each in everything.lineages} == {
        "example.net": False,
        "mail.example.com": True,
        "mx.example.org": True,
    }
    assert "Not renewed here: example.net." in everything.notes[0].explanation
    assert "disable" not in " ".join(everything.notes[0].remedy)


def test_names_that_the_gateway_lacks_are_not_renewed(certbot: Certbot) -> None:
    certbot.lineage(make_chain("mx.example.org", "shop.example.org"))
    taken = certbot.take(gateway=make_gateway("default", "mx.example.org"))
    assert taken.lineages[0].is_in_use
    assert "does not hold shop.example.org" in not_renewed(taken)


def test_what_cannot_be_used_is_not_renewed(certbot: Certbot) -> None:
    begin = timezone.now() - 100 * DAY
    certbot.lineage(make_chain("mx.example.org", begin=begin, lifetime=90 * DAY))
    assert "Test and obtain certificate" in not_renewed(certbot.take())


def test_the_directory_may_be_named_with_steps_back_and_through_links(
    certbot: Certbot, tmp_path: Path
) -> None:
    certbot.lineage(make_chain("mx.example.org"))
    (tmp_path / "link").symlink_to(certbot.directory)
    (tmp_path / "other").mkdir()
    for named in (tmp_path / "other" / ".." / "letsencrypt", tmp_path / "link"):
        taken = taking_over.take_over(named, timezone.now())
        assert taken.lineages[0].is_in_use


@pytest.mark.parametrize(
    "said", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "never"]
)
def test_a_date_that_cannot_be_is_none(certbot: Certbot, said: str) -> None:
    certbot.lineage(make_chain("mx.example.org"))
    _account_file("meta.json", json.dumps({"creation_dt": said}))(certbot)
    assert certbot.take().lineages[0].is_in_use
    assert Gateway.objects.get().terms_agreed_at is not None


def test_an_address_that_cannot_be_stored_is_none(certbot: Certbot) -> None:
    certbot.lineage(make_chain("mx.example.org"))
    contact = {"body": {"contact": ["mailto:\ud800@example.com"]}, "uri": ACCOUNT_URL}
    _account_file("regr.json", json.dumps(contact))(certbot)
    assert certbot.take().lineages[0].is_in_use
    assert Gateway.objects.get().contact_email == ""


def test_what_a_terminal_would_obey_is_not_said(certbot: Certbot) -> None:
    certbot.lineage(make_chain("mx.example.org"), name="mx.example.org")
    (certbot.directory / "renewal" / "a\x1b[2J\nb.conf").write_text("")
    problem = certbot.refusal().problem
    assert "renewal" in problem.explanation or "live" in problem.explanation
    assert "\x1b" not in problem.explanation + problem.detail


def test_this_consoles_own_account_is_kept(certbot: Certbot) -> None:
    certbot.lineage(make_chain("mx.example.org"))
    row = make_gateway("default", "mail.example.com")
    own = accounts.account_at(SERVER, row)
    accounts.registered(own, "https://ca.example/acct/1")
    taken = certbot.take()
    assert taken.account == own
    assert Account.objects.get().thumbprint == own.thumbprint
    assert "certbot-account-not-needed" in {note.code for note in taken.notes}


def test_an_account_that_was_never_registered_makes_room(certbot: Certbot) -> None:
    certbot.lineage(make_chain("mx.example.org"))
    own = accounts.account_at(SERVER, make_gateway("default", "mail.example.com"))
    certbot.take()
    assert Account.objects.get().url == ACCOUNT_URL
    assert Account.objects.get().thumbprint != own.thumbprint


def test_one_lineage_can_be_taken_for_one_gateway(certbot: Certbot) -> None:
    certbot.lineage(make_chain("mx.example.org"))
    certbot.lineage(make_chain("mail.example.com", "*.example.com"))
    row = make_gateway("default", "mail.example.com")
    assert certbot.refusal(gateway=row).problem.code == "certbot-several-lineages"
    taken = certbot.take(gateway=row, wanted=["mail.example.com"])
    assert [lineage.gateway for lineage in taken.lineages] == [row]
    assert Gateway.objects.count() == 1


def test_short_names_are_made_unique(certbot: Certbot) -> None:
    make_gateway("mx-example-org", "other.example.com")
    certbot.lineage(make_chain("mx.example.org"))
    (lineage,) = certbot.take().lineages
    assert lineage.gateway.slug == "mx-example-org-2"


# What may be wrong with a directory of two lineages, and which words name it.


def _gone(certbot: Certbot) -> None:
    (certbot.directory / "archive" / "mx.example.org" / "fullchain1.pem").unlink()


def _live_gone(certbot: Certbot) -> None:
    (certbot.directory / "live" / "mx.example.org" / "privkey.pem").unlink()


def _link_out(certbot: Certbot) -> None:
    outside = certbot.directory.parent / "outside.pem"
    outside.write_bytes(make_chain("mx.example.org").key_pem())
    link = certbot.directory / "live" / "mx.example.org" / "privkey.pem"
    link.unlink()
    link.symlink_to(outside)


def _conf_out(certbot: Certbot) -> None:
    link = certbot.directory / "renewal" / "mx.example.org.conf"
    link.unlink()
    link.symlink_to("/proc/self/environ")


def _key_damaged(certbot: Certbot) -> None:
    file = certbot.directory / "archive" / "mx.example.org" / "privkey1.pem"
    file.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")


def _key_of_another(certbot: Certbot) -> None:
    file = certbot.directory / "archive" / "mx.example.org" / "privkey1.pem"
    file.write_bytes(make_chain("mx.example.org").key_pem())


def _account_of_staging(certbot: Certbot) -> None:
    place = certbot.directory / "accounts"
    (place / "ca.example").rename(place / "staging.ca.example")


def _no_accounts(certbot: Certbot) -> None:
    (certbot.directory / "accounts").rename(certbot.directory / "elsewhere")


def _several_accounts(certbot: Certbot) -> None:
    certbot.account("b2")
    certbot.lineage(make_chain("mail.example.com"), name="mail.example.com", account="b2")


def _account_not_there(certbot: Certbot) -> None:
    certbot.lineage(make_chain("mail.example.com"), name="mail.example.com", account="c3")
    certbot.lineage(make_chain("mx.example.org"), name="mx.example.org", account="c3")


def _account_file(name: str, text: str) -> Callable[[Certbot], None]:
    def spoil(certbot: Certbot) -> None:
        (certbot.directory / "accounts" / "ca.example" / "directory" / "a1" / name).write_text(text)

    return spoil


def _empty(certbot: Certbot) -> None:
    (certbot.directory / "renewal").rename(certbot.directory / "other")


def _only_wildcard(certbot: Certbot) -> None:
    certbot.lineage(make_chain("*.example.net"), name="example.net")


def _too_large(certbot: Certbot) -> None:
    (certbot.directory / "renewal" / "mx.example.org.conf").write_text("#" * 70_000)


def _from_staging(certbot: Certbot) -> None:
    issuer = make_authority("(STAGING) Wannabe", make_authority("(STAGING) Root"))
    certbot.lineage(make_leaf("mx.example.org", above=issuer), name="mx.example.org")


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (_gone, "certbot-file-unreadable", "live/mx.example.org/fullchain.pem is a link to a file"),
        (_live_gone, "certbot-file-unreadable", "privkey.pem does not exist"),
        (_link_out, "certbot-file-unreadable", "leads out of"),
        (_conf_out, "certbot-file-unreadable", "leads out of"),
        (_too_large, "certbot-file-unreadable", "64 KiB"),
        (_key_damaged, "key-unreadable", "Certbot's certificate mx.example.org: "),
        (_key_of_another, "key-does-not-match", "Certbot's certificate mx.example.org: "),
        (_account_of_staging, "certbot-account-missing", "staging.ca.example"),
        (_no_accounts, "certbot-account-missing", SERVER),
        (_account_not_there, "certbot-account-missing", SERVER),
        (_several_accounts, "certbot-several-accounts", "several accounts"),
        (_account_file("regr.json", "{"), "certbot-account-damaged", "regr.json"),
        (_account_file("regr.json", "[]"), "certbot-account-damaged", "regr.json"),
        (_account_file("regr.json", "[" * 60_000), "certbot-account-damaged", "regr.json"),
        (_account_file("regr.json", "{}"), "certbot-account-damaged", "regr.json"),
        (
            _account_file("regr.json", '{"uri": "https://elsewhere.example/acct/7"}'),
            "certbot-account-damaged",
            "does not name an account of this CA",
        ),
        (
            _account_file("regr.json", json.dumps({"uri": f"{ACCOUNT_URL}/\ud800"})),
            "certbot-account-damaged",
            "does not name an account of this CA",
        ),
        (_account_file("private_key.json", "\0\1"), "certbot-account-damaged", "private_key.json"),
        (
            _account_file("private_key.json", '{"kty": "RSA", "n": "s3cret"}'),
            "certbot-account-damaged",
            "private_key.json",
        ),
        (_account_file("meta.json", "9" * 9000), "certbot-account-damaged", "meta.json"),
        (_empty, "certbot-directory-unknown", "renewal/NAME.conf"),
        (_only_wildcard, "certbot-only-wildcards", "example.net"),
    ],
)
def test_a_broken_directory_is_one_sentence_and_nothing_is_taken_over(
    certbot: Certbot, spoil: Callable[[Certbot], None], code: str, words: str
) -> None:
    certbot.lineage(make_chain("mail.example.com"))
    certbot.lineage(make_chain("mx.example.org"))
    spoil(certbot)
    problem = certbot.refusal().problem
    assert problem.code == code
    assert words in problem.explanation
    assert problem.remedy
    assert "s3cret" not in str(problem.to_json())
    assert not Gateway.objects.exists()
    assert not list((store.live_directory(Gateway(slug="x")).parent).glob("*"))


def test_a_lineage_of_staging_is_kept_from_use(certbot: Certbot) -> None:
    _from_staging(certbot)
    (lineage,) = certbot.take().lineages
    assert not lineage.is_in_use
    assert "certificate-from-staging" in {note.code for note in lineage.notes}


def test_a_lineage_that_is_not_there_is_named_with_those_that_are(certbot: Certbot) -> None:
    certbot.lineage(make_chain("mx.example.org"))
    problem = certbot.refusal(wanted=["other.example.org"]).problem
    assert problem.code == "certbot-lineage-unknown"
    assert "mx.example.org" in problem.remedy[0]


def test_a_failure_with_the_last_one_takes_the_first_ones_files_back(
    certbot: Certbot,
) -> None:
    for name in ("mail.example.com", "mx.example.org"):
        certbot.lineage(make_chain(name))
    live = store.live_directory(Gateway(slug="x")).parent
    (live.parent / "archive").mkdir(parents=True)
    # Where the second gateway's files would go there is something else.
    (live.parent / "archive" / "mx-example-org").write_text("")
    (live.parent / "archive" / "mail-example-com").write_text("")
    problem = certbot.refusal().problem
    assert problem.code == "certificate-files-not-written"
    (live.parent / "archive" / "mail-example-com").unlink()
    certbot.refusal()
    assert not list(live.glob("*"))
