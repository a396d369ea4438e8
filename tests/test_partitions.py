"""The domains of AWS's partitions."""

from __future__ import annotations

import pytest
from cases import each

from eventstream._partitions import check_region, domain_of


@each(
    ("region", "domain", "dualstack"),
    [
        ("us-east-1", "amazonaws.com", "api.aws"),
        ("us-gov-west-1", "amazonaws.com", "api.aws"),
        ("xx-unknown-1", "amazonaws.com", "api.aws"),
        ("cn-north-1", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
        ("us-iso-east-1", "c2s.ic.gov", "api.aws.ic.gov"),
        ("us-isob-east-1", "sc2s.sgov.gov", "api.aws.scloud"),
        ("us-isof-south-1", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
        ("eu-isoe-west-1", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
        ("eusc-de-east-1", "amazonaws.eu", "api.amazonwebservices.eu"),
    ],
)
def test_domain_of_a_region(region, domain, dualstack):
    assert domain_of(region) == domain
    assert domain_of(region, dualstack=True) == dualstack


@each(
    "region",
    [
        *("us east 1", "us-east-1\n", "us_east_1", "us.east", "eu/1", "-us", "us-", "", "x" * 64, "\u00fc"),
        *("US-EAST-1", "cn-North-1", "CN-NORTH-1"),  # else signed for another region, and in the wrong partition
    ],
)
def test_region_that_is_refused(region):
    expected = r"^the region '.*' cannot be one: expected a name in lower case, such as us-east-1$"
    with pytest.raises(ValueError, match=expected):
        check_region(region)


@each("region", ["us-east-1", "us-gov-west-1", "local", "x", "1", "x1" * 31])
def test_region_that_is_taken(region):
    check_region(region)
