"""The form that takes a certificate from elsewhere; importing.py decides about its files."""

from __future__ import annotations

import datetime
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from certificates import deploying, importing
from certificates.forms.choosing import GatewayChoiceForm, gateway_field
from certificates.models import Certificate
from challenges.problems import Problem, ProblemError


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


class CertificateImportForm(GatewayChoiceForm):
    """A certificate, its chain and its private key. ``problem`` says why they were refused."""

    use_required_attribute = False

    certificate_files = MultipleFileField(
        label=_("Certificate file"),
        widget=MultipleFileInput(attrs={"multiple": True}),
        help_text=_("The certificate and its chain in PEM form, in one file or in several."),
        error_messages={
            "required": _("Choose the file with the certificate, at most 64 KiB."),
            "empty": _("This file is empty."),
        },
    )
    key_file = forms.FileField(
        label=_("Private key file"),
        required=False,
        widget=forms.FileInput,
        help_text=_("Leave it out if the private key is in the certificate's file."),
        error_messages={"empty": _("This file is empty.")},
    )
    password = forms.CharField(
        label=_("Password"),
        required=False,
        strip=False,
        max_length=1000,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("Only if the private key is protected by one; it is not stored."),
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.problem: Problem | None = None
        self.imported: importing.ImportedCertificate | None = None
        self.fields["gateway"] = gateway_field(
            required=True, help_text=gettext("The gateway that the certificate is for.")
        )
        self.order_fields(["gateway"])

    def clean(self) -> dict[str, Any]:
        """Read the files, unless a field is wrong already."""
        if not self.errors:
            try:
                self.imported = importing.read_pem(
                    [_content(file) for file in self._files()],
                    self.cleaned_data["password"] or None,
                )
            except ProblemError as error:
                self.problem = error.problem
                self.add_error(_field_of(error.problem), error.problem.explanation)
        return self.cleaned_data

    def store(self, now: datetime.datetime, by: str) -> tuple[Certificate, list[Problem]]:
        """Store what was read; the notes say what would keep it from being used.

        Raises ValueError before the form has been found valid.
        """
        if self.imported is None:
            raise ValueError("nothing has been read that could be stored")
        return deploying.add_imported(self.cleaned_data["gateway"], self.imported, now, by)

    def _files(self) -> list[UploadedFile[bytes]]:
        key = self.cleaned_data["key_file"]
        return [*self.cleaned_data["certificate_files"], *([key] if key else [])]


def _content(file: UploadedFile[bytes]) -> bytes:
    # One byte more than is allowed is enough to be refused.
    return bytes(file.read(importing.MAX_FILE + 1))


def _field_of(problem: Problem) -> str:
    if problem.code.startswith("password-"):
        return "password"
    return "key_file" if "key" in problem.code else "certificate_files"
