"""The addresses of the pages about gateways and certificates; who may see them: access.py."""

from __future__ import annotations

from django.urls import path

from certificates.views import (
    certificates,
    exporting,
    following,
    gateways,
    guidance,
    issuances,
    log,
    network,
    overview,
    requests,
    uploads,
)

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
    path("gateways/<slug:slug>/follow/", following.gateway_follow, name="gateway_follow"),
    path(
        "gateways/<slug:slug>/follow/stop/",
        following.gateway_follow_stop,
        name="gateway_follow_stop",
    ),
    path("guidance/", guidance.guidance_general, name="guidance_general"),
    path("settings/network/", network.network_settings, name="network_settings"),
    path("certificates/", certificates.certificates, name="certificates"),
    path("certificates/import/", uploads.certificate_import, name="certificate_import"),
    path(
        "certificates/self-signed/",
        certificates.certificate_self_signed,
        name="certificate_self_signed",
    ),
    path("certificates/requests/add/", requests.request_add, name="request_add"),
    path(
        "certificates/requests/<int:pk>/", requests.certificate_request, name="certificate_request"
    ),
    path("certificates/requests/<int:pk>/csr/", requests.request_csr, name="request_csr"),
    path(
        "certificates/requests/<int:pk>/discard/", requests.request_discard, name="request_discard"
    ),
    path("certificates/<int:pk>/", certificates.certificate, name="certificate"),
    path("certificates/<int:pk>/use/", certificates.certificate_use, name="certificate_use"),
    path("certificates/<int:pk>/replace/", uploads.certificate_replace, name="certificate_replace"),
    path("certificates/<int:pk>/export/", exporting.certificate_export, name="certificate_export"),
    path(
        "certificates/<int:pk>/download/<str:name>",
        certificates.certificate_download,
        name="certificate_download",
    ),
    path("issuances/<int:pk>/", issuances.issuance, name="issuance"),
    path("issuances/<int:pk>/cancel/", issuances.issuance_cancel, name="issuance_cancel"),
    path("warnings/", overview.warnings, name="warnings"),
    path("log/", log.log, name="log"),
]
