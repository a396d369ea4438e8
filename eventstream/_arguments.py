"""How calls with wrong arguments are refused: in one wording, wherever it is found out.

A class refuses a call that it does not take under its own name, and alike in both implementations: Python and Cython
each have words of their own, and name the function behind the class.
"""

from __future__ import annotations

from functools import wraps

TYPE_CHECKING = False  # as in `typing`, which takes longer to import than all of this package
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TypeVar

    T = TypeVar("T")


_HINTS = {"Decoder": "; pass bytes to feed()"}
"""What the caller may have wanted."""


def check_call(class_: str, most: int, names: tuple[str, ...], given: int, named: Iterable[str]) -> None:
    """Check the arguments of a call against those that the class takes; all of these are optional.

    Args:
        class_: its name.
        most: how many it takes by position.
        names: those that it takes by keyword; those that it also takes by position, if any, come first.
        given: how many were given by position.
        named: the names of those that were given by keyword.

    Raises:
        TypeError: the class does not take these.
    """
    if given > most == 0:
        raise TypeError(f"{class_}() takes only keyword arguments: {', '.join(names)}{_HINTS.get(class_, '')}")
    if given > most:
        raise TypeError(f"{class_}() takes at most {most} positional argument{'s' * (most != 1)} ({given} given)")
    for name in named:
        if not names:
            raise TypeError(f"{class_}() takes no keyword arguments")
        if name not in names:
            raise TypeError(f"{class_}() got an unexpected keyword argument {name!r}")
        if names.index(name) < given:
            raise TypeError(f"{class_}() got multiple values for argument {name!r}")


def check_event_types(name: str, events: object) -> None:
    """Check that a str is not given for a collection of event types: its characters would be taken for them.

    Args:
        name: that of the argument.
        events: what was given.

    Raises:
        TypeError: it is a str.
    """
    if isinstance(events, str):
        raise TypeError(f"{name} must be a collection of event types, such as {{{events!r}}}, not a str")


def checked(new: T) -> T:
    """Check the calls of a class before its `__new__`, whose signature and documentation stay as they are."""
    function: Any = new
    code = function.__code__
    most = code.co_argcount - 1  # without the class
    names = code.co_varnames[max(code.co_posonlyargcount, 1) : code.co_argcount + code.co_kwonlyargcount]

    @wraps(function)
    def called(cls: type, *arguments: Any, **named: Any) -> Any:
        check_call(cls.__name__, most, names, len(arguments), named)
        return function(cls, *arguments, **named)

    result: Any = called
    return result  # type: ignore[no-any-return] # `cast` would import `typing`
