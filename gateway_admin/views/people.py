"""Signing in and out, and the people who may."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth import views as auth_views
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views import View
from django.views.decorators.http import require_http_methods, require_safe

from certificates import events
from certificates.views.answers import by, rejected, see_other
from gateway_admin import claiming
from gateway_admin.forms import OwnPasswordForm, SignInForm, UserForm
from gateway_admin.models import User

USERS_PER_PAGE = 50


class SignInView(auth_views.LoginView):
    """Who has signed in already is sent on."""

    http_method_names = ["get", "head", "post", "options"]
    template_name = "sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """The form again, marked as such."""
        return self.render_to_response(
            self.get_context_data(form=form), status=HTTPStatus.UNPROCESSABLE_ENTITY
        )

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """With a word on where to begin, while there is nobody who could sign in."""
        return super().get_context_data(unclaimed=not claiming.is_claimed(), **context)


class SignOutView(View):
    """Only by POST."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """End the session."""
        logout(request)
        return see_other("sign_in")


class PasswordView(auth_views.PasswordChangeView):
    """One's own password."""

    http_method_names = ["get", "head", "post", "options"]
    template_name = "user_form.html"
    form_class = OwnPasswordForm
    success_url = reverse_lazy("overview")
    extra_context = {
        "title": gettext_lazy("Change password"),
        "submit_label": gettext_lazy("Save"),
    }

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        """Saved; other sessions of this person end."""
        super().form_valid(form)
        messages.success(self.request, _("Your password was changed."))
        return see_other(str(self.success_url))

    def form_invalid(self, form: PasswordChangeForm) -> HttpResponse:
        """The form again, marked as such."""
        return self.render_to_response(
            self.get_context_data(form=form), status=HTTPStatus.UNPROCESSABLE_ENTITY
        )


@require_safe
def users(request: HttpRequest) -> HttpResponse:
    """Everybody who may sign in."""
    page = Paginator(User.objects.order_by("username"), USERS_PER_PAGE)
    context = {"page": page.get_page(request.GET.get("page")), "page_query": ""}
    return render(request, "users.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def user_add(request: HttpRequest) -> HttpResponse:
    """Somebody new."""
    form = UserForm(request.POST or None)
    context = {"form": form, "title": _("Add user"), "submit_label": _("Save")}
    if request.method != "POST":
        return render(request, "user_form.html", context)
    if not form.is_valid():
        return rejected(request, "user_form.html", context)
    _record_new(form.save(), by(request))
    messages.success(request, _("The user was added."))
    return see_other("users")


def _record_new(user: User, who: str) -> None:
    facts = {"name": user.username, "role": user.get_role_display(), "who": who}
    events.record("user-added", _("%(name)s was added as %(role)s by %(who)s.") % facts)
