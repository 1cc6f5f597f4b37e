"""The form that asks for a private key: in which form, with which password, and who asks."""

from __future__ import annotations

import enum
from typing import Any

from django import forms
from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from certificates import exporting, guessing
from certificates.guessing import Verdict
from certificates.models import Certificate


class Format(enum.StrEnum):
    """What can be had."""

    PFX = "pfx"
    PFX_LEGACY = "pfx-legacy"
    KEY = "key"

    @property
    def is_pfx(self) -> bool:
        """Whether a password must protect the file."""
        return self is not Format.KEY


class ExportForm(forms.Form):
    """Asks for the own password because somebody else may be sitting at this session.

    ``either`` names the fields that are not simply optional: it depends on the format.
    """

    use_required_attribute = False
    either = ("file_password", "file_password_again")

    format = forms.ChoiceField(
        label=_("Format"),
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose what to export.")},
    )
    file_password = forms.CharField(
        label=_("Password for the file"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_(
            "Whoever imports the file has to enter it. A PFX file needs one, a key may go without."
        ),
    )
    file_password_again = forms.CharField(
        label=_("Password for the file, again"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("The same once more, against mistyping."),
    )
    own_password = forms.CharField(
        label=_("Your own password"),
        strip=False,
        max_length=1000,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        help_text=_("The one you sign in with, because a private key leaves this console."),
        error_messages={"required": _("Enter the password that you sign in with.")},
    )

    def __init__(
        self, user: AbstractBaseUser, certificate: Certificate, *arguments: Any, **options: Any
    ) -> None:
        super().__init__(*arguments, **{"initial": {"format": Format.PFX.value}} | options)
        self.user = user
        self.certificate = certificate
        self.fields["format"].choices = _choices()  # type: ignore[attr-defined]  # a ChoiceField

    def clean_own_password(self) -> str:
        """It must be that of the person who is signed in. A wrong one is written to the log."""
        password = str(self.cleaned_data["own_password"])
        verdict = guessing.judge(self.user, password, self.certificate, timezone.now())
        if verdict is Verdict.RIGHT:
            return password
        if verdict is Verdict.WRONG:
            raise forms.ValidationError(_("This is not the password that you sign in with."))
        raise forms.ValidationError(
            _(
                "Too many wrong passwords were entered here. Wait %(minutes)d minutes, then try "
                "again; if it was not you, sign out and change your password."
            ),
            params={"minutes": guessing.WITHIN.total_seconds() // 60},
        )

    def clean(self) -> dict[str, Any]:
        """The two passwords for the file must agree, and a PFX file must have one."""
        typed = self.cleaned_data.get("file_password", "")
        if problem := exporting.why_not_password(typed):
            self.add_error("file_password", " ".join((problem.explanation, *problem.remedy)))
            return self.cleaned_data
        if typed != self.cleaned_data.get("file_password_again", ""):
            self.add_error("file_password_again", gettext("The two passwords for the file differ."))
        elif not typed and "format" in self.cleaned_data and self.wanted.is_pfx:
            self.add_error("file_password", gettext("Enter a password: a PFX file needs one."))
        return self.cleaned_data

    @property
    def wanted(self) -> Format:
        """What was chosen. Raises KeyError before the form has been looked at."""
        return Format(self.cleaned_data["format"])

    @property
    def password(self) -> str | None:
        """The password for the file; None without one."""
        return self.cleaned_data["file_password"] or None


def _choices() -> list[tuple[str, SafeString]]:
    return [
        _choice(
            Format.PFX,
            gettext("PFX file, modern encryption"),
            gettext(
                "Certificate, chain and key protected by AES-256, for Windows Server 2019 and "
                "later, Java, OpenSSL and nearly everything else of today."
            ),
        ),
        _choice(
            Format.PFX_LEGACY,
            gettext("PFX file, legacy encryption"),
            gettext(
                "The same protected by Triple DES and SHA-1, only for programs that cannot open "
                "the modern one, such as Windows Server 2016; delete the file once it is imported."
            ),
        ),
        _choice(
            Format.KEY,
            gettext("Private key alone, as PEM"),
            gettext(
                "For programs that take the files fullchain.pem and privkey.pem; without a "
                "password for the file it is not encrypted."
            ),
        ),
    ]


def _choice(value: Format, label: str, explanation: str) -> tuple[str, SafeString]:
    return (
        value.value,
        format_html('{} <span class="choice-help">{}</span>', label, explanation),
    )
