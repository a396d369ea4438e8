"""The clock with which a client signs, set right by the service's own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING

from eventstream.signing import utc_now

if TYPE_CHECKING:
    from eventstream.exceptions import ServiceError

_log = logging.getLogger("eventstream.client")

CLOCK_IS_WRONG = frozenset(
    {
        "InvalidSignatureException",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)
"""Codes with which services refuse a signature whose date is too far from their own."""

MAX_CLOCK_ERROR = timedelta(minutes=4)
"""How far a clock may be off until it is corrected: the AWS SDKs' threshold, below the services' 5 minutes."""

_CENTURY = timedelta(days=36_525)


class Clock:
    """This machine's clock, and by how much it is wrong."""

    def __init__(self) -> None:
        self._skew = timedelta()

    def reading(self) -> Callable[[], datetime]:
        """Return what gives the time from now on; a later correction does not change it."""
        return partial(_shifted, self._skew) if self._skew else utc_now

    def correct(self, error: ServiceError, headers: Iterable[tuple[str, str]]) -> None:
        """Take the service's time from now on, if it refuses a signature, and this clock is wrong.

        Args:
            error: with which the service answered; it gets the difference.
            headers: of its answer.
        """
        date = next((value for name, value in headers if name.lower() == "date"), None)
        if error.code not in CLOCK_IS_WRONG or date is None:
            return
        try:
            skew = parsedate_to_datetime(date) - utc_now()
        except (TypeError, ValueError, OverflowError):  # not a date, one without a time zone, or numbers without bound
            return
        if abs(skew) > _CENTURY:  # a false date; shifted by it, the clock could leave the range of a datetime
            return
        if abs(skew - self._skew) > MAX_CLOCK_ERROR:
            _log.warning("the service's clock is %+d s from this one; signing with its time", skew.total_seconds())
            self._skew = skew
            error.clock_skew = skew


def _shifted(skew: timedelta) -> datetime:
    return utc_now() + skew
