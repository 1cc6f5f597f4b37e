"""The forms of the pages: labels, help and what was typed; never decisions."""

from __future__ import annotations

from certificates.forms.checked import NetworkSettingsForm
from certificates.forms.choosing import LogFilterForm
from certificates.forms.gateway import GatewayForm
from certificates.forms.uploads import CertificateImportForm

__all__ = ["CertificateImportForm", "GatewayForm", "LogFilterForm", "NetworkSettingsForm"]
