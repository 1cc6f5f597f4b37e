"""The console's addresses. Who may use which: access.py, by the names given here."""

from __future__ import annotations

from django.urls import include, path

from gateway_admin.views import health, people, setting_up

urlpatterns = [
    path("", include("certificates.urls")),
    path("setup/", setting_up.setup, name="setup"),
    path("sign-in/", people.SignInView.as_view(), name="sign_in"),
    path("sign-out/", people.SignOutView.as_view(), name="sign_out"),
    path("users/", people.users, name="users"),
    path("users/add/", people.user_add, name="user_add"),
    path("users/me/password/", people.PasswordView.as_view(), name="password"),
    path("healthz", health.healthz, name="healthz"),
]
handler400 = "gateway_admin.views.errors.bad_request"
handler403 = "gateway_admin.views.errors.forbidden"
handler404 = "gateway_admin.views.errors.not_found"
handler500 = "gateway_admin.views.errors.server_error"
