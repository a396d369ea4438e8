"""The domains of AWS's partitions."""

from __future__ import annotations

import pytest
from cases import each

from eventstream._partitions import check_region, domain_of


@each(
    ("region", "domain"),
    [
        ("us-east-1", "amazonaws.com"),
        ("us-gov-west-1", "amazonaws.com"),
        ("xx-unknown-1", "amazonaws.com"),
        ("cn-north-1", "amazonaws.com.cn"),
        ("us-iso-east-1", "c2s.ic.gov"),
        ("us-isob-east-1", "sc2s.sgov.gov"),
        ("us-isof-south-1", "csp.hci.ic.gov"),
        ("eu-isoe-west-1", "cloud.adc-e.uk"),
        ("eusc-de-east-1", "amazonaws.eu"),
    ],
)
def test_domain_of_a_region(region, domain):
    assert domain_of(region) == domain


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
