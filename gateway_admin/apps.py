"""The composition root as a Django application."""

from __future__ import annotations

from django.apps import AppConfig


class GatewayAdminConfig(AppConfig):
    """Makes our Celery application the default one of every thread."""

    name = "gateway_admin"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """A shared task called in another thread than the importing one would use Celery's own."""
        # Here, because the responder imports this package and must never load Celery.
        from gateway_admin.celery import app  # noqa: PLC0415

        app.set_default()
