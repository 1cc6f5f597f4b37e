"""The challenges application: everything about proving control of a name."""

from __future__ import annotations

from django.apps import AppConfig


class ChallengesConfig(AppConfig):
    """Tokens, the challenge port that serves them, and the preflight of its surroundings."""

    name = "challenges"
    default_auto_field = "django.db.models.BigAutoField"
