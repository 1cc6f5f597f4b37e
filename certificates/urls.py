"""The addresses of the pages about gateways and certificates; who may see them: access.py."""

from __future__ import annotations

from django.urls import path

from certificates.views import certificates, gateways, guidance, issuances, log, network, overview

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("gateways/", gateways.gateways, name="gateways"),
    path("gateways/add/", gateways.gateway_add, name="gateway_add"),
    path("gateways/<slug:slug>/", gateways.gateway, name="gateway"),
    path("gateways/<slug:slug>/settings/", gateways.gateway_settings, name="gateway_settings"),
    path("gateways/<slug:slug>/issue/", gateways.gateway_issue, name="gateway_issue"),
    path("gateways/<slug:slug>/rehearse/", gateways.gateway_rehearse, name="gateway_rehearse"),
    path("gateways/<slug:slug>/preflight/", gateways.gateway_preflight, name="gateway_preflight"),
    path(
        "gateways/<slug:slug>/use-lets-encrypt/",
        gateways.gateway_use_lets_encrypt,
        name="gateway_use_lets_encrypt",
    ),
    path("gateways/<slug:slug>/guidance/", guidance.guidance, name="guidance"),
    path(
        "gateways/<slug:slug>/guidance/request/",
        guidance.guidance_request,
        name="guidance_request",
    ),
    path("guidance/", guidance.guidance_general, name="guidance_general"),
    path("settings/network/", network.network_settings, name="network_settings"),
    path("certificates/", certificates.certificates, name="certificates"),
    path("certificates/import/", certificates.certificate_import, name="certificate_import"),
    path("certificates/<int:pk>/", certificates.certificate, name="certificate"),
    path("certificates/<int:pk>/use/", certificates.certificate_use, name="certificate_use"),
    path("issuances/<int:pk>/", issuances.issuance, name="issuance"),
    path("issuances/<int:pk>/cancel/", issuances.issuance_cancel, name="issuance_cancel"),
    path("warnings/", overview.warnings, name="warnings"),
    path("log/", log.log, name="log"),
]
