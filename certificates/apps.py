"""The certificates application."""

from __future__ import annotations

from django.apps import AppConfig


class CertificatesConfig(AppConfig):
    """Gateways, their certificates, and how those are obtained and renewed."""

    name = "certificates"
    default_auto_field = "django.db.models.BigAutoField"
