"""Header values for which Python has no type: integers that remember their wire type.

A plain ``int`` is encoded as type 4 (32 bits); the other integer types of the wire are subclasses of ``int``, so that
what was decoded encodes back to the same bytes. They compare and compute as the integers they are.
"""

from __future__ import annotations

import datetime as _datetime
from operator import index as _index

from eventstream._arguments import checked as _checked
from eventstream.exceptions import InvalidHeaderValue

TYPE_CHECKING = False  # as in `typing`, which takes longer to import than all of this package
if TYPE_CHECKING:
    import uuid
    from typing import ClassVar, SupportsIndex, TypeAlias

    from typing_extensions import Buffer, Self

__all__ = ["Byte", "HeaderInput", "HeaderValue", "Long", "Short", "Timestamp"]

HeaderValue: TypeAlias = "bool | int | Byte | Short | Long | bytes | str | Timestamp | uuid.UUID"
"""What a decoded header holds. A plain ``int`` is of type 4."""

HeaderInput: TypeAlias = "HeaderValue | Buffer | _datetime.datetime"
"""What a header can be made from: also any contiguous buffer (type 6) and an aware ``datetime`` (type 8)."""


def uuid_bytes(value: uuid.UUID) -> bytes:
    """Return the 16 bytes of a UUID. `int` itself converts its integer, so a subclass cannot change the result.

    Raises:
        TypeError: its integer does not fit into 128 bits.
    """
    try:
        return int.to_bytes(value.int, 16, "big")
    except (AttributeError, OverflowError):
        raise TypeError(f"{type(value).__name__}: its integer does not fit into 128 bits") from None


_EPOCH = _datetime.datetime(1970, 1, 1, tzinfo=_datetime.timezone.utc)
_MILLISECOND = _datetime.timedelta(milliseconds=1)


class _SizedInteger(int):
    """An integer of a fixed number of bits, signed.

    Args:
        value: an integer in the range of these bits.
    """

    __slots__ = ()
    _bits: ClassVar[int]

    @_checked
    def __new__(cls, value: SupportsIndex = 0, /) -> Self:
        try:
            number = _index(value)
        except TypeError:
            if issubclass(cls, Timestamp) and isinstance(value, _datetime.datetime):
                raise TypeError(
                    "a Timestamp must be milliseconds, not a datetime: use Timestamp.from_datetime"
                ) from None
            raise
        self = super().__new__(cls, number)
        if self.bit_length() >= cls._bits and self != -1 << cls._bits - 1:
            raise InvalidHeaderValue(None, f"the value does not fit a {cls.__name__} ({cls._bits} bits, signed)")
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({int(self)})"

    __str__ = int.__repr__


class Byte(_SizedInteger):
    """Header type 2: 8 bits, -128 ... 127.

    Args:
        value: an integer in this range.

    Raises:
        InvalidHeaderValue: the value is outside the range.
        TypeError: the value is not an integer.
    """

    __slots__ = ()
    _bits = 8


class Short(_SizedInteger):
    """Header type 3: 16 bits, -32,768 ... 32,767.

    Args:
        value: an integer in this range.

    Raises:
        InvalidHeaderValue: the value is outside the range.
        TypeError: the value is not an integer.
    """

    __slots__ = ()
    _bits = 16


class Long(_SizedInteger):
    """Header type 5: 64 bits, -2**63 ... 2**63 - 1.

    Args:
        value: an integer in this range.

    Raises:
        InvalidHeaderValue: the value is outside the range.
        TypeError: the value is not an integer.
    """

    __slots__ = ()
    _bits = 64


class Timestamp(_SizedInteger):
    """Header type 8: milliseconds since 1970-01-01T00:00:00Z, 64 bits, signed; any of them, year 1 or not.

    Args:
        value: the milliseconds, an integer in the range of 64 bits.

    Raises:
        InvalidHeaderValue: the value is outside the range.
        TypeError: the value is not an integer.
    """

    __slots__ = ()
    _bits = 64

    @classmethod
    def from_datetime(cls, moment: _datetime.datetime) -> Self:
        """Return the moment, rounded down to whole milliseconds.

        Raises:
            InvalidHeaderValue: the datetime is naive (has no UTC offset).
            TypeError: it is not a datetime.
        """
        if not isinstance(moment, _datetime.datetime):
            raise TypeError(f"a Timestamp must be made from a datetime, not {type(moment).__name__}")
        if moment.utcoffset() is None:
            raise InvalidHeaderValue(None, "naive datetime: attach a time zone")
        return cls((moment - _EPOCH) // _MILLISECOND)

    @property
    def datetime(self) -> _datetime.datetime:
        """Return the same moment as an aware datetime in UTC.

        Raises:
            OverflowError: it lies outside the years 1 to 9999.
        """
        return _EPOCH + _MILLISECOND * int(self)
