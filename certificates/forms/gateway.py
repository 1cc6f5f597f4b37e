"""The form of a gateway: labels, help and what was typed; checking.py decides about it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from certificates import directories, terms
from certificates.configuring import Wishes
from certificates.forms.checked import CheckedForm, port_field, scenario_field
from certificates.models import CertificateSource, Gateway
from certificates.policy import profiles
from certificates.policy.issuance import Environment
from certificates.policy.keys import KeyType
from challenges.models import NetworkSettings


class GatewayForm(CheckedForm):
    """Everything that one gateway needs, on one page: its own settings and the network's."""

    slug = forms.CharField(
        label=_("Short name"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=_(
            "Names the gateway in addresses and directories; it cannot be changed afterwards."
        ),
        error_messages={"required": _("Enter a short name, such as mail.")},
    )
    hostname = forms.CharField(
        label=_("Hostname"),
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
        help_text=_(
            "The public name under which mail programs and other servers reach the gateway, such "
            "as mail.example.com."
        ),
        error_messages={"required": _("Enter the gateway's hostname, such as mail.example.com.")},
    )
    additional_hostnames = forms.CharField(
        label=_("Additional hostnames"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "autocapitalize": "none", "spellcheck": "false"}),
        help_text=_("Further names for the same certificate, one per line or separated by commas."),
    )
    contact_email = forms.CharField(
        label=_("Contact email"),
        required=False,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
        help_text=_("Where the certificate authority can reach you about your account."),
    )
    network_scenario = scenario_field()
    challenge_port = port_field()
    certificate_source = forms.ChoiceField(
        label=_("Certificate source"),
        choices=CertificateSource.choices,
        widget=forms.RadioSelect,
        help_text=_(
            "Let's Encrypt certificates are obtained and renewed automatically; with Manual you "
            "import and select them yourself."
        ),
        error_messages={"required": _("Choose where the certificate comes from.")},
    )
    key_type = forms.ChoiceField(
        label=_("Key type"),
        choices=[(key_type.value, key_type.label) for key_type in KeyType],
        help_text=_("ECDSA P-256 suits nearly everybody; choose RSA for very old mail programs."),
        error_messages={"required": _("Choose a key type.")},
    )
    keeps_key = forms.BooleanField(
        label=_("Keep the same private key at renewal"),
        required=False,
        help_text=_(
            "For DANE: TLSA records of the kind 3 1 1 name the key, and stay valid as long as it "
            "is kept. Without such records leave it off: a new key at each renewal is safer, "
            "because a key that has become known to others then serves them for weeks only. "
            "Switch it off for one renewal if you suspect that."
        ),
    )
    rehearses = forms.BooleanField(
        label=_("Rehearse the renewal every two weeks"),
        required=False,
        help_text=_(
            "A test with the CA's staging environment, so that you hear of a closed port or a "
            "changed address long before it matters. The certificate in use is not touched."
        ),
    )
    agree_terms = forms.BooleanField(
        label=_("I agree to the Let's Encrypt terms of service"), required=False
    )

    def __init__(
        self,
        gateway: Gateway,
        now: datetime.datetime,
        *arguments: Any,
        ask_slug: bool = False,
        **options: Any,
    ) -> None:
        self.terms = terms.current()
        options["initial"] = {**_initial(gateway, self.terms), **options.get("initial", {})}
        super().__init__(gateway.slug, now, *arguments, **options)
        self.gateway = gateway
        if not ask_slug:
            del self.fields["slug"]
        self.profile_notice = self._offer_profiles()
        self.fields["agree_terms"].help_text = format_html(
            '{} <a href="{}" target="_blank" rel="noopener noreferrer">{}</a>',
            _("Needed for certificates from Let's Encrypt:"),
            self.terms.link,
            _("read the terms of service"),
        )

    def _offer_profiles(self) -> str:
        """Offer the CA's profiles, or none where it has none; returns what is wrong with them."""
        offered = directories.profiles(Environment.PRODUCTION) or {}
        stored = self.gateway.profile
        if not offered and not stored:
            return ""
        self.fields["profile"] = forms.ChoiceField(
            label=_("Certificate profile"),
            required=False,
            choices=_profile_choices(offered, stored),
            widget=forms.RadioSelect,
            help_text=_("What kind of certificate Let's Encrypt is asked for."),
            error_messages={"invalid_choice": _("The CA offers no profile “%(value)s”.")},
        )
        if not stored or stored in offered:
            return ""
        return gettext(
            "The CA does not offer the profile “%(profile)s” any more and will refuse to give such "
            "a certificate. Choose another one."
        ) % {"profile": stored}

    @property
    def terms_notice(self) -> str:
        """Why the terms need attention, if they do."""
        if self.gateway.terms_agreed_at and not _has_agreed(self.gateway, self.terms):
            return str(_("The terms of service have changed since you agreed to them."))
        return self.terms.notice

    def slug_wanted(self) -> str:
        """As typed while adding; else the gateway's own."""
        if "slug" in self.fields:
            return str(self.cleaned_data.get("slug", ""))
        return self.gateway_slug

    def clean_slug(self) -> str:
        """A new gateway must not overwrite another."""
        slug = str(self.cleaned_data["slug"])
        if Gateway.objects.filter(slug=slug).exists():
            raise forms.ValidationError(
                _("There is a gateway with the short name “%(slug)s” already."),
                params={"slug": slug},
            )
        return slug

    def wishes(self) -> Wishes:
        """Everything on the form, as typed."""
        typed = self.cleaned_data.get
        return Wishes(
            hostname=typed("hostname", ""),
            additional_hostnames=typed("additional_hostnames"),
            contact_email=typed("contact_email"),
            network_scenario=typed("network_scenario"),
            challenge_port=typed("challenge_port"),
            certificate_source=typed("certificate_source"),
            key_type=typed("key_type"),
            profile=typed("profile"),
            keeps_key=typed("keeps_key"),
            rehearses=typed("rehearses"),
            agree_terms=typed("agree_terms"),
        )

    def converted(self) -> list[tuple[str, str]]:
        """Names in letters beyond ASCII and what was stored for them (A-labels, RFC 5890)."""
        if self.accepted is None:
            return []
        values = self.accepted.gateway_values
        stored = [values.get("hostname"), *_strings(values.get("additional_hostnames"))]
        typed = [self.cleaned_data["hostname"], *self._typed_additional()]
        return [
            (before.strip(), str(after))
            for before, after in zip(typed, stored, strict=False)
            if not before.isascii()
        ]

    def _typed_additional(self) -> list[str]:
        text = self.cleaned_data["additional_hostnames"]
        return [part for part in text.replace(",", " ").replace(";", " ").split() if part]


def _initial(gateway: Gateway, present: terms.Terms) -> dict[str, object]:
    network = NetworkSettings.load()
    return {
        "hostname": gateway.hostname,
        "additional_hostnames": "\n".join(gateway.additional_hostnames),
        "contact_email": gateway.contact_email,
        "network_scenario": network.scenario,
        "challenge_port": network.challenge_port,
        "certificate_source": gateway.certificate_source,
        "key_type": gateway.key_type,
        "profile": gateway.profile,
        "keeps_key": gateway.keeps_key,
        "rehearses": gateway.rehearses,
        "agree_terms": _has_agreed(gateway, present),
    }


def _profile_choices(offered: Mapping[str, str], stored: str) -> list[tuple[str, SafeString]]:
    """The CA's own choice first; one that is stored and no longer offered stays."""
    described = [profiles.describe(name, text) for name, text in sorted(offered.items())]
    if stored and stored not in offered:
        described.append(profiles.describe(stored, gettext("The CA does not offer it any more.")))
    default = gettext(
        "Whatever Let's Encrypt gives to those who do not choose. Right for nearly everybody."
    )
    return [
        ("", _with_explanation(gettext("The CA's default"), default)),
        *((each.name, _with_explanation(each.label, each.explanation)) for each in described),
    ]


def _with_explanation(label: str, explanation: str) -> SafeString:
    return format_html('{} <span class="choice-help">{}</span>', label, explanation)


def _has_agreed(gateway: Gateway, present: terms.Terms) -> bool:
    """Agreed to the present document, or to some while the CA names none."""
    if gateway.terms_agreed_at is None:
        return False
    return not present.url or gateway.terms_of_service_url == present.url


def _strings(value: object) -> list[str]:
    return [str(part) for part in value] if isinstance(value, list) else []
