"""A plugin of pytest: where the adapter's methods go, their mutants go along.

`install` puts methods of our classes into those of smithy's library. What mutmut makes of a method looks for its
mutants in the class that it is in.
"""

from smithy_aws_event_stream import events as library

from eventstream.adapters import smithy as adapter

CLASSES = ("Event", "EventMessage", "EventHeaderEncoder", "EventHeaderDecoder")


def pytest_configure() -> None:
    for name in CLASSES:
        for attribute, value in vars(getattr(adapter, name)).items():
            if "__mutmut_" in attribute:
                setattr(getattr(library, name), attribute, value)
