"""The forms of the pages: labels, help and what was typed; never decisions."""

from __future__ import annotations

from certificates.forms.checked import NetworkSettingsForm
from certificates.forms.choosing import LogFilterForm
from certificates.forms.exporting import ExportForm
from certificates.forms.following import FollowForm
from certificates.forms.gateway import GatewayForm
from certificates.forms.requests import AnswerForm, RequestForm, SelfSignedForm
from certificates.forms.uploads import CertificateImportForm, CertificateReplaceForm

__all__ = [
    "AnswerForm",
    "CertificateImportForm",
    "CertificateReplaceForm",
    "ExportForm",
    "FollowForm",
    "GatewayForm",
    "LogFilterForm",
    "NetworkSettingsForm",
    "RequestForm",
    "SelfSignedForm",
]
