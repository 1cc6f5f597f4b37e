"""The forms that take a certificate from elsewhere; importing.py decides about what they bring."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from certificates import adding, applying, importing
from certificates.forms.choosing import GatewayChoiceForm, gateway_field
from certificates.forms.echoing import PublicTextarea, SecretTextarea, is_all_public
from certificates.models import Certificate, Gateway
from challenges.problems import Problem, ProblemError

Stored = tuple[Certificate, list[Problem]]
_PEM_FIELD = {"rows": 4, "spellcheck": "false", "autocomplete": "off", "autocapitalize": "none"}


class MultipleFileInput(forms.FileInput):
    """A file input in which several files can be chosen at once."""

    allow_multiple_selected = True


class MultipleFileField(forms.FileField):
    """One file or several, each checked as a single one would be."""

    widget = MultipleFileInput

    def clean(self, data: Any, initial: Any = None) -> Any:
        """The files as a list."""
        files = data if isinstance(data, list | tuple) else [data]
        clean_one = super().clean
        return [file for file in (clean_one(one, initial) for one in files or [None]) if file]


class CertificateFilesForm(forms.Form):
    """A certificate as files or as text. ``problem`` says why it was refused.

    ``either`` names the fields of which one is needed, so that neither is called optional.
    """

    use_required_attribute = False
    either = ("certificate_files", "certificate_text")

    certificate_files = MultipleFileField(
        label=_("Certificate file"),
        required=False,
        widget=MultipleFileInput(attrs={"multiple": True}),
        help_text=_(
            "The certificate and its chain as PEM, DER or PKCS#7, or with the key as PFX; one file "
            "or several."
        ),
        error_messages={"empty": _("This file is empty.")},
    )
    certificate_text = forms.CharField(
        label=_("Certificate text"),
        required=False,
        widget=PublicTextarea(attrs=_PEM_FIELD),
        help_text=_("Instead of a file: paste the certificate and its chain in PEM form."),
    )

    def __init__(self, *arguments: Any, is_too_large: bool = False, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.is_too_large = is_too_large
        self.problem: Problem | None = None

    def clean(self) -> dict[str, Any]:
        """There must be something to read."""
        cleaned = super().clean() or self.cleaned_data
        if self.is_too_large:
            self.add_error(
                "certificate_files",
                gettext("This is too much: at most ten files or texts of 64 KiB each can be read."),
            )
        elif not self.errors and not self.contents():
            self.add_error(
                "certificate_files",
                gettext("Choose the file with the certificate, at most 64 KiB, or paste its text."),
            )
        return cleaned

    def contents(self) -> list[bytes]:
        """What is to be read: each file, and each text as if it were one."""
        files: list[UploadedFile[bytes]] = self.cleaned_data["certificate_files"]
        return [*map(_content, files), *_text(self.cleaned_data["certificate_text"])]

    def attempt(self, do: Callable[[], Stored]) -> Stored | None:
        """What ``do`` returns; None, with the reason at its field, when that is refused."""
        try:
            return do()
        except ProblemError as error:
            self.problem = error.problem
            self.add_error(self.field_of(error.problem), error.problem.explanation)
            return None

    def field_of(self, problem: Problem) -> str:
        """Beside which field the problem is told."""
        return "certificate_files"

    def to_give_again(self) -> list[str]:
        """What a form that was refused cannot keep, in sentences."""
        if not self.is_bound or not self.errors:
            return []
        sentences = []
        if self.files or self.is_too_large:
            sentences.append(gettext("A browser forgets chosen files: please choose them again."))
        if any(self.data.get(name) for name in ("key_text", "password")):
            sentences.append(
                gettext("Private keys and passwords are never shown again: please repeat them.")
            )
        if not is_all_public(self.data.get("certificate_text", "")):
            sentences.append(
                gettext(
                    "Of a pasted text only whole certificates are shown again, as the rest might "
                    "be a private key: please paste that once more."
                )
            )
        return sentences


class UploadForm(CertificateFilesForm):
    """A certificate, its chain and its private key."""

    key_file = forms.FileField(
        label=_("Private key file"),
        required=False,
        widget=forms.FileInput,
        help_text=_("Only if the private key is not in the certificate's file."),
        error_messages={"empty": _("This file is empty.")},
    )
    key_text = forms.CharField(
        label=_("Private key text"),
        required=False,
        widget=SecretTextarea(attrs=_PEM_FIELD),
        help_text=_("Instead of a file: paste the private key in PEM form."),
    )
    password = forms.CharField(
        label=_("Password"),
        required=False,
        strip=False,
        max_length=1000,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("Only if the private key or the PFX file has one; it is not stored."),
    )

    def contents(self) -> list[bytes]:
        """With the private key's file and text."""
        key: UploadedFile[bytes] | None = self.cleaned_data["key_file"]
        files = [_content(key)] if key else []
        return [*super().contents(), *files, *_text(self.cleaned_data["key_text"])]

    def field_of(self, problem: Problem) -> str:
        """Beside which field the problem is told."""
        if problem.code.startswith("password-"):
            return "password"
        is_about_key = {"key", "keys"} & set(problem.code.split("-"))
        return "key_file" if is_about_key else "certificate_files"

    def store_for(
        self,
        gateway: Gateway,
        now: datetime.datetime,
        by: str,
        replaces: Certificate | None = None,
    ) -> Stored | None:
        """Read and store what was sent; None, with the reason at its field, when it is refused."""

        def store() -> Stored:
            imported = importing.read(
                self.contents(),
                self.cleaned_data["password"] or None,
                known_keys=applying.known_keys(gateway),
                now=now,
            )
            return adding.add_imported(gateway, imported, now, by, replaces=replaces)

        return self.attempt(store)


class CertificateImportForm(UploadForm, GatewayChoiceForm):
    """A certificate from elsewhere, for one of the gateways."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["gateway"] = gateway_field(
            required=True, help_text=gettext("The gateway that the certificate is for.")
        )
        self.order_fields(["gateway"])

    def store(self, now: datetime.datetime, by: str) -> Stored | None:
        """A new entry among the gateway's certificates; None when it is refused."""
        return self.store_for(self.cleaned_data["gateway"], now, by)


class CertificateReplaceForm(UploadForm):
    """A new version of a certificate that is here already."""

    def __init__(self, replaced: Certificate, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.replaced = replaced

    def store(self, now: datetime.datetime, by: str) -> Stored | None:
        """The next version; None when it is refused."""
        return self.store_for(self.replaced.gateway, now, by, self.replaced)


def _content(file: UploadedFile[bytes]) -> bytes:
    file.seek(0)
    # One byte more than is allowed is enough to be refused.
    return bytes(file.read(importing.MAX_FILE + 1))


def _text(text: str) -> list[bytes]:
    return [text.encode()] if text.strip() else []
