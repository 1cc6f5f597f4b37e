"""What the pages show, as frozen facts; never changes anything.

The number of queries of a page does not depend on how much there is.
"""

from __future__ import annotations

from certificates.queries.certificate_page import (
    CertificatePage,
    certificate_page,
    is_line_used,
    missing_issuer_of,
    why_not_replaceable,
)
from certificates.queries.certificates import (
    CertificateRow,
    certificate_row,
    certificates_page,
    consequences_of_use,
    in_groups,
    missing_names,
    renewal_information,
)
from certificates.queries.console import Console, console, part_statuses
from certificates.queries.followed import Followed, followed, followed_problem
from certificates.queries.gateways import (
    GatewayDetails,
    GatewaySummary,
    NextRenewal,
    gateway_details,
    gateway_preflight,
    gateways_page,
    summaries,
)
from certificates.queries.guidance import (
    Guidance,
    Measured,
    Place,
    gateways_to_guide,
    guidance,
    measured,
    place,
)
from certificates.queries.issuances import (
    IssuanceDetails,
    Newest,
    StageRow,
    issuance_details,
    newest_of,
    stage_rows,
)
from certificates.queries.log import Cut, LogPage, log_page, newest_events
from certificates.queries.overview import Overview, overview
from certificates.queries.pages import page_query
from certificates.queries.preflights import PreflightDetails, PreflightState
from certificates.queries.requests import file_stem, key_label, open_requests, subject_rows
from certificates.queries.warnings import (
    CurrentWarnings,
    PlacedProblem,
    count_for_sweep,
    count_warnings,
    current_warnings,
    warnings_of,
)

__all__ = [
    "CertificatePage",
    "CertificateRow",
    "Console",
    "CurrentWarnings",
    "Cut",
    "Followed",
    "GatewayDetails",
    "GatewaySummary",
    "Guidance",
    "IssuanceDetails",
    "LogPage",
    "Measured",
    "Newest",
    "NextRenewal",
    "Overview",
    "Place",
    "PlacedProblem",
    "PreflightDetails",
    "PreflightState",
    "StageRow",
    "certificate_page",
    "certificate_row",
    "certificates_page",
    "consequences_of_use",
    "console",
    "count_for_sweep",
    "count_warnings",
    "current_warnings",
    "file_stem",
    "followed",
    "followed_problem",
    "gateway_details",
    "gateway_preflight",
    "gateways_page",
    "gateways_to_guide",
    "guidance",
    "in_groups",
    "is_line_used",
    "issuance_details",
    "key_label",
    "log_page",
    "measured",
    "missing_issuer_of",
    "missing_names",
    "newest_events",
    "newest_of",
    "open_requests",
    "overview",
    "page_query",
    "part_statuses",
    "place",
    "renewal_information",
    "stage_rows",
    "subject_rows",
    "summaries",
    "warnings_of",
    "why_not_replaceable",
]
