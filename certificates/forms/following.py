"""The form that names the files which another tool renews; following.py decides about them."""

from __future__ import annotations

import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from certificates import following
from certificates.models import FollowedFiles, Gateway
from challenges.problems import Problem, ProblemError

_PATH = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


class FollowForm(forms.Form):
    """Two paths. ``problem`` says why they were refused."""

    use_required_attribute = False

    certificate_path = forms.CharField(
        label=_("Path of the certificate"),
        max_length=1000,
        widget=forms.TextInput(attrs=_PATH),
        help_text=_("The file with the certificate and its chain, such as fullchain.pem."),
        error_messages={"required": _("Enter the path of the file with the certificate.")},
    )
    key_path = forms.CharField(
        label=_("Path of the private key"),
        required=False,
        max_length=1000,
        widget=forms.TextInput(attrs=_PATH),
        help_text=_("Leave it out if the private key is in the certificate's file."),
    )

    def __init__(self, gateway: Gateway, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.gateway = gateway
        self.problem: Problem | None = None

    def store(self, now: datetime.datetime, by: str) -> FollowedFiles | None:
        """Read and use the files from now on; None, with the reason at its field, if refused."""
        paths = self.cleaned_data["certificate_path"], self.cleaned_data["key_path"]
        try:
            return following.follow(self.gateway, *paths, now, by)
        except ProblemError as error:
            self.problem = error.problem
            self.add_error(self._field_of(error.problem), error.problem.explanation)
            return None

    def _field_of(self, problem: Problem) -> str:
        is_about_key = "key" in problem.code.split("-") and self.cleaned_data["key_path"]
        return "key_path" if is_about_key else "certificate_path"
