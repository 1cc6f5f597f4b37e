"""An ACME account (RFC 8555 §7.1.2) at one directory."""

from __future__ import annotations

from django.db import models


class Account(models.Model):
    """One account per directory URL. The key is committed before the CA hears of it."""

    directory_url = models.URLField(max_length=500, unique=True)
    url = models.URLField(
        max_length=500, blank=True, help_text="As the CA named it; empty until registered."
    )
    sealed_key = models.TextField()
    thumbprint = models.CharField(max_length=64, help_text="RFC 7638, base64url.")
    contact_email = models.EmailField(blank=True)
    terms_of_service_url = models.URLField(max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.url or self.directory_url
