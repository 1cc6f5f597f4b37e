"""`python -m challenges` runs the challenge port, always under its own small settings."""

from __future__ import annotations

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "gateway_admin.responder_settings"

from challenges.wsgi import application

if __name__ == "__main__":
    from challenges.listening import serve

    serve(application)
