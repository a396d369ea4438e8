"""Replaces another library's objects with ours, and restores them.

Replacements are found by identity, not remembered: `Installation.install` swaps theirs for ours wherever an owner holds
theirs, and `Installation.uninstall` does the reverse. So both may be called at any time and any number of times, what a
third party has put there in the meantime stays, and a module that got our object when it was imported gets the
library's back.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Replacement:
    """One object of the library, and ours for it.

    Args:
        name: the attribute that holds it, the same in each owner.
        theirs: the library's object, as in the owner's ``vars``.
        ours: what replaces it.
        owners: classes, and modules by their names; those that are not imported are left out.
    """

    name: str
    theirs: object
    ours: object
    owners: tuple[str | type, ...]

    def holders(self, value: object) -> list[object]:
        """Return the owners that hold this value."""
        owners = [sys.modules.get(owner) if isinstance(owner, str) else owner for owner in self.owners]
        return [owner for owner in owners if owner is not None and vars(owner).get(self.name) is value]

    def swap(self, old: object, new: object) -> None:
        """Put `new` where `old` is."""
        for holder in self.holders(old):
            setattr(holder, self.name, new)


class Installation:
    """The replacements of one library, which come and go together."""

    def __init__(self, *replacements: Replacement) -> None:
        self._replacements = list(replacements)

    def add(self, replacement: Replacement) -> None:
        """Add a replacement in a module that was not imported before, unless it is there; it is installed with the
        others.
        """
        if replacement not in self._replacements:
            self._replacements.append(replacement)

    def install(self) -> contextlib.ExitStack:
        """Put ours in.

        Returns:
            A context manager that takes ours out again, if none of it was in before. Without ``with`` it does nothing.
        """
        stack = contextlib.ExitStack()
        if not any(replacement.holders(replacement.ours) for replacement in self._replacements):
            stack.callback(self.uninstall)
        for replacement in self._replacements:
            replacement.swap(replacement.theirs, replacement.ours)
        return stack

    def uninstall(self) -> None:
        """Put theirs back."""
        for replacement in self._replacements:
            replacement.swap(replacement.ours, replacement.theirs)


class CompletingInstallation(Installation):
    """An installation that may also check that streams are complete.

    Attributes:
        complete: whether it does; not after `uninstall`.
    """

    complete = False

    def uninstall(self) -> None:
        """Put theirs back."""
        self.complete = False
        super().uninstall()
