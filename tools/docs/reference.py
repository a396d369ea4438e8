"""An extension of griffe, which reads the sources for the reference: it shows what the sources say in other words.

- A class that is made by ``__new__`` has its signature, as one with ``__init__`` has.
- The members of an enumeration are listed with their values.
- Examples in docstrings are blocks of code.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^(?P<indent> *)>>> .*\n(?:(?P=indent)\S.*(?:\n|\Z))*", re.MULTILINE)
ENUMERATIONS = ("Enum", "IntEnum", "StrEnum")


class Reference(griffe.Extension):
    """Named in mkdocs.yml."""

    def on_class_members(self, *, cls: griffe.Class, **_: Any) -> None:
        """Add what the members of a class say."""
        made = cls.members.get("__new__")
        if isinstance(made, griffe.Function) and "__init__" not in cls.members:
            made.name = "__init__"
            made.returns = None
            cls.set_member("__init__", made)
            del cls.members["__new__"]
        if any(str(base).rpartition(".")[2] in ENUMERATIONS for base in cls.bases):
            for member in cls.members.values():
                if isinstance(member, griffe.Attribute) and member.docstring is None and member.value is not None:
                    member.docstring = griffe.Docstring(f"`{member.value}`", parent=member)

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Make blocks of code of the examples in a docstring."""
        if obj.docstring is not None:
            obj.docstring.value = EXAMPLE.sub(_block, obj.docstring.value)


def _block(example: re.Match[str]) -> str:
    indent = example["indent"]
    return f"{indent}```pycon\n{example[0].rstrip()}\n{indent}```\n"
