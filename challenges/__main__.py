"""`python -m challenges` runs the challenge port, always under its own small settings."""

from __future__ import annotations

import logging.config
import os

os.environ["DJANGO_SETTINGS_MODULE"] = "gateway_admin.responder_settings"

from django.apps import apps
from django.conf import settings

# What django.setup() does, without the URLs and templates, for which nothing here has a use.
logging.config.dictConfig(settings.LOGGING)
apps.populate(settings.INSTALLED_APPS)

from challenges.listening import serve  # noqa: E402 - models can be imported only now

if __name__ == "__main__":
    serve()
