"""Parameters of an operation as HTTP headers: how each kind is written, read and checked, and dataclasses that hold
them.

An operation's request is a frozen dataclass that derives from `Parameters` and names in `parameters` what each field is
and in which header it travels; `Headers` makes an operation's `Format` of the class. A request is checked when it is
made, and every problem is reported at once. Values from a peer are never trusted: a value that cannot be read stays
text, which the check refuses.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from eventstream._text import shown
from eventstream.operation import InvalidRequest, Parts, check_header_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from typing_extensions import Self

__all__ = ["Boolean", "Choice", "Headers", "Integer", "Kind", "Parameter", "Parameters", "Text", "TextList"]


class Kind(Protocol):
    """How the value of a parameter is written, read and checked."""

    def read(self, text: str) -> Any:
        """Return the value that a header gives; other text is returned as it is."""

    def write(self, value: Any) -> str:
        """Return the value as a header has it."""

    def check(self, value: object) -> str | None:
        """Return what is allowed if the value is not allowed; None if it is."""


class Text(NamedTuple):
    """Text that matches a pattern; `allowed` describes it."""

    pattern: re.Pattern[str]
    allowed: str

    def read(self, text: str) -> str:
        """Return the text."""
        return text

    def write(self, value: Any) -> str:
        """Return the text."""
        return str(value)

    def check(self, value: object) -> str | None:
        """Return what is allowed if the value is not text that matches; None if it is."""
        return None if isinstance(value, str) and self.pattern.fullmatch(value) else self.allowed


class Choice(NamedTuple):
    """One of several words."""

    choices: tuple[str, ...]

    def read(self, text: str) -> str:
        """Return the text."""
        return text

    def write(self, value: Any) -> str:
        """Return the word."""
        return str(value)

    def check(self, value: object) -> str | None:
        """Return the words if the value is not one of them; None if it is."""
        return None if value in self.choices else " or ".join(self.choices)


class Integer(NamedTuple):
    """A whole number within bounds, both of them included."""

    minimum: int
    maximum: int

    def read(self, text: str) -> int | str:
        """Return the number; text that is not 1 to 9 digits is returned as it is."""
        return int(text) if re.fullmatch("[0-9]{1,9}", text) else text

    def write(self, value: Any) -> str:
        """Return the digits."""
        return str(value)

    def check(self, value: object) -> str | None:
        """Return the bounds if the value is not an int within them; None if it is."""
        if isinstance(value, int) and not isinstance(value, bool) and self.minimum <= value <= self.maximum:
            return None
        bounds = str(self.minimum) if self.minimum == self.maximum else f"{self.minimum} to {self.maximum}"
        return f"an int, {bounds}" if _is_of_another_type(value, int, self) else bounds


class Boolean(NamedTuple):
    """A flag, which is written only if it is true."""

    # Clients also write what their language prints, such as "True".
    def read(self, text: str) -> bool | str:
        """Return the flag, in any case of letters; text that is neither true nor false is returned as it is."""
        return {"true": True, "false": False}.get(text.lower(), text)

    def write(self, value: Any) -> str:
        """Return ``true``, as only a flag that is set is written."""
        return "true"

    def check(self, value: object) -> str | None:
        """Return what is allowed if the value is not a bool; None if it is."""
        if isinstance(value, bool):
            return None
        return "True or False" if _is_of_another_type(value, bool, self) else "true or false"


def _is_of_another_type(value: object, type_: type, kind: Kind) -> bool:
    """Whether a program gave a value of another type, even if it looks right, and it is not text of a header."""
    if isinstance(value, str):
        return isinstance(kind.read(value), type_)
    return type(value) is not type_ and value is not None


class TextList(NamedTuple):
    """Texts, separated by commas in the header; the maximum is the length of the whole."""

    item: Text
    maximum: int

    def read(self, text: str) -> tuple[str, ...]:
        """Return the texts, without the spaces around them."""
        return split(text)

    def write(self, value: Any) -> str:
        """Return the texts, joined by commas."""
        return ",".join(value)

    def check(self, value: object) -> str | None:
        """Return what is allowed if the value is not a tuple of such texts, or is empty or too long; None if it is."""
        if (
            isinstance(value, tuple)
            and not any(map(self.item.check, value))
            and 1 <= len(",".join(value)) <= self.maximum
        ):
            return None
        return f"a list, at most {self.maximum} characters with its commas, each {self.item.allowed}"


def split(text: str) -> tuple[str, ...]:
    """Return the texts between commas, without the spaces around them."""
    return tuple(part.strip() for part in text.split(","))


class Parameter(NamedTuple):
    """What a field is, and the header in which it travels, in lower case."""

    kind: Kind
    header: str


class Parameters:
    """Base of the frozen dataclasses that are an operation's request and response.

    None, False and an empty list mean that a parameter is not given. Lists may be given as any sequence, or as one
    string with commas, and are kept as tuples.

    Attributes:
        parameters: the operation's parameters by field, in the order in which they are written.

    Raises:
        ValueError: a header is not in lower case; when the class is made.
    """

    parameters: ClassVar[Mapping[str, Parameter]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for parameter in getattr(cls, "parameters", {}).values():
            check_header_name(parameter.header)

    def __post_init__(self) -> None:
        for field, parameter in self.parameters.items():
            if isinstance(parameter.kind, TextList):
                value = getattr(self, field)
                if isinstance(value, str):
                    value = split(value)
                elif isinstance(value, Sequence) and not isinstance(value, bytes):
                    value = tuple(value)
                object.__setattr__(self, field, value)

    def given(self) -> dict[str, Any]:
        """Return the fields that are given, in their order."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {field: value for field, value in values.items() if not (value is None or value is False or value == ())}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{field}={value!r}' for field, value in self.given().items())})"

    def to_headers(self) -> list[tuple[str, str]]:
        """Return the HTTP headers, names in lower case, in the order of the service model."""
        given = self.given()
        return [
            (parameter.header, parameter.kind.write(given[field]))
            for field, parameter in self.parameters.items()
            if field in given
        ]

    def check(self, required: Iterable[str], exactly_one_of: Sequence[str] = ()) -> None:
        """Check every value.

        Args:
            required: the fields that must be given.
            exactly_one_of: exactly one of these fields must be given.

        Raises:
            InvalidRequest: it names every parameter that is missing or invalid, with its value and what is allowed.
        """
        given = self.given()
        problems = {
            field: f"missing (allowed: {self.parameters[field].kind.check(None)})"
            for field in required
            if field not in given
        }
        for field, value in given.items():
            allowed = self.parameters[field].kind.check(value)
            if allowed is not None:
                problems[field] = f"{shown(value)} (allowed: {allowed})"
        chosen = [field for field in exactly_one_of if field in given]
        if exactly_one_of and len(chosen) != 1:
            field = chosen[-1] if chosen else exactly_one_of[0]
            said = f"given together with {' and '.join(chosen[:-1])}" if chosen else "missing"
            problems.setdefault(field, f"{said} (allowed: exactly one of {', '.join(exactly_one_of)})")
        if problems:
            raise InvalidRequest({field: problems[field] for field in self.parameters if field in problems})

    @classmethod
    def read(cls, pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
        """Return the fields that headers give.

        A header that occurs several times is one, joined by commas (RFC 9110, 5.3).

        Args:
            pairs: names, in any case, and values; headers that are not parameters are ignored.
        """
        fields = {parameter.header: field for field, parameter in cls.parameters.items()}
        texts: dict[str, list[str]] = {}
        for name, text in pairs:
            field = fields.get(str.lower(name))
            if field is not None:
                texts.setdefault(field, []).append(str.strip(text))
        return {field: cls.parameters[field].kind.read(",".join(several)) for field, several in texts.items()}

    @classmethod
    def read_leniently(cls, pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
        """Return the fields that headers give; a number or flag that cannot be read counts as absent."""
        return {
            field: value
            for field, value in cls.read(pairs).items()
            if not (isinstance(cls.parameters[field].kind, (Integer, Boolean)) and isinstance(value, str))
        }


class InHeaders(Protocol):
    """What `Headers` writes and reads."""

    def to_headers(self) -> list[tuple[str, str]]: ...

    @classmethod
    def from_headers(cls, pairs: Iterable[tuple[str, str]]) -> Self: ...


T = TypeVar("T", bound=InHeaders)


class Headers(Generic[T]):
    """The `eventstream.operation.Format` of a class whose parameters all travel in HTTP headers.

    Args:
        type: the class, with ``to_headers()`` and ``from_headers(pairs)``.
    """

    def __init__(self, type: type[T]) -> None:
        self.type = type

    def write(self, value: T) -> Parts:
        """Return the value's headers.

        Raises:
            TypeError: it is of another class.
        """
        if not isinstance(value, self.type):
            raise TypeError(f"the request must be a {self.type.__name__}, not {type(value).__name__}")
        return Parts(headers=value.to_headers())

    def read(self, parts: Parts) -> T:
        """Return the value that the headers give, or raise what ``type.from_headers`` raises."""
        return self.type.from_headers(parts.headers)
