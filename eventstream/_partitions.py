"""AWS's partitions, each with a domain for its services."""

from __future__ import annotations

_DOMAINS = {
    "cn-": "amazonaws.com.cn",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
    "eusc-": "amazonaws.eu",
}
"""By the beginning of the names of a partition's regions. botocore's endpoints.json has them, too."""


def domain_of(region: str) -> str:
    """Return the domain of the services in a region; the usual one where the region is unknown."""
    return next((domain for prefix, domain in _DOMAINS.items() if region.startswith(prefix)), "amazonaws.com")
