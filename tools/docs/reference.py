"""An extension of griffe, which reads the sources for the reference: it shows what users call, and how they call it.

- A class that is made by ``__new__`` has its signature, as one with ``__init__`` has.
- A class whose docstring describes no arguments has no signature: the package makes its objects, not the user.
- What only other modules of the package call, or asyncio, is left out.
- The members of an enumeration are listed with their values.
- Examples in docstrings are blocks of code.
- Names that share a description in a docstring, as in ``start, end: seconds``, are described one by one.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^(?P<indent> *)>>> .*\n(?:(?P=indent)\S.*(?:\n|\Z))*", re.MULTILINE)
ENUMERATIONS = ("Enum", "IntEnum", "StrEnum")
SHARED = re.compile(r"^(?P<indent> +)(?P<names>\w+(?:, \w+)+): (?P<text>.*(?:\n(?P=indent) +\S.*)*)", re.MULTILINE)
ARGUMENTS = re.compile(r"^Args:|\bIts arguments are those of\b", re.MULTILINE)

PROTOCOL = "buffer_updated connection_lost connection_made data_received eof_received get_buffer"
"""What asyncio calls."""

INTERNAL = {
    "eventstream.http2.connection.Connection": "abort buffer_updated data_received forget get_buffer leave room",
    "eventstream.http2.client.ClientConnection": "data_received forget",
    "eventstream.websocket.connection.Connection": f"{PROTOCOL} complain pause_writing resume_writing wait_closed",
    "eventstream.websocket.client.ClientSocket": "connection_made data_received",
    "eventstream.websocket.server.ServerSocket": "connection_lost connection_made data_received leave",
    "eventstream.websocket.server.Server": "answer listen start",
    "eventstream.client.stream.Stream": "prepare received transmit",
    "eventstream.server.conversation.Conversation": "run shares",
    "eventstream.server.service.Service": "__call__ drain enter leave no_websocket over_websocket silence words",
}
"""Methods that have public names, and are not for users."""


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
        made = cls.members.get("__init__")
        if isinstance(made, griffe.Function) and len(made.parameters) > 1 and not _has_arguments(cls):
            del cls.members["__init__"]
        for name in INTERNAL.get(cls.path, "").split():
            del cls.members[name]  # a KeyError if there is no such method any more
        if any(str(base).rpartition(".")[2] in ENUMERATIONS for base in cls.bases):
            for member in cls.members.values():
                if isinstance(member, griffe.Attribute) and member.docstring is None and member.value is not None:
                    member.docstring = griffe.Docstring(f"`{member.value}`", parent=member)

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Make blocks of code of the examples in a docstring, and give each name a description of its own."""
        if obj.docstring is not None:
            obj.docstring.value = SHARED.sub(_one_by_one, EXAMPLE.sub(_block, obj.docstring.value))


def _has_arguments(cls: griffe.Class) -> bool:
    return cls.docstring is not None and ARGUMENTS.search(cls.docstring.value) is not None


def _one_by_one(item: re.Match[str]) -> str:
    return "\n".join(f"{item['indent']}{name}: {item['text']}" for name in item["names"].split(", "))


def _block(example: re.Match[str]) -> str:
    indent = example["indent"]
    return f"{indent}```pycon\n{example[0].rstrip()}\n{indent}```\n"
