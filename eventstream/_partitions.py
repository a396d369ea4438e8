"""AWS's partitions, each with a domain for its services."""

from __future__ import annotations

import re

from eventstream._text import quote

_DOMAINS = {
    "cn-": ("amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    "us-iso-": ("c2s.ic.gov", "api.aws.ic.gov"),
    "us-isob-": ("sc2s.sgov.gov", "api.aws.scloud"),
    "us-isof-": ("csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    "eu-isoe-": ("cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    "eusc-": ("amazonaws.eu", "api.amazonwebservices.eu"),
}
"""By the beginning of the names of a partition's regions: the usual domain, and that of hosts that also have IPv6.
botocore's partitions.json has them, too.
"""


def check_region(region: str) -> None:
    """Check that a region can be a part of a host's name.

    Upper case is refused, too: hosts are equal in either case, but partitions are recognised by lower-case prefixes,
    and signatures for ``US-EAST-1`` are not those for ``us-east-1``.

    Raises:
        ValueError: it has other characters than lower-case letters, digits and inner hyphens, or not 1 to 63.
        TypeError: it is not a str.
    """
    if not isinstance(region, str):
        raise TypeError(f"the region must be a str, such as 'us-east-1', not {type(region).__name__}")
    if not re.fullmatch("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", region):
        expected = "a name in lower case, such as us-east-1"
        raise ValueError(f"the region {quote(region)} cannot be one: expected {expected}")


def domain_of(region: str, *, dualstack: bool = False) -> str:
    """Return the domain of the services in a region; the usual one where the region is unknown.

    Args:
        region: e.g. ``"us-east-1"``.
        dualstack: whether it is the domain of the hosts that have addresses of IPv6, too.
    """
    found = (domains for prefix, domains in _DOMAINS.items() if region.startswith(prefix))
    return next(found, ("amazonaws.com", "api.aws"))[dualstack]
