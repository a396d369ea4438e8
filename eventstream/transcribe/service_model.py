"""The service model of Amazon Transcribe streaming: all facts of its four operations, as data.

It names their parameters, events and exceptions, the places of these in HTTP, the values and bounds that are allowed,
and what is required, in the format of botocore, which has no such model of its own. The tables in
`eventstream.transcribe.operations` and their types are written by hand, and tests compare them with it.

``tools/service_model.py`` writes the model from what AWS's own client knows.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["DATA_PATH", "SERVICE", "load_service_model"]

SERVICE = "transcribe-streaming"
"""The name under which botocore finds the model, once `DATA_PATH` is among the paths of its loader."""

DATA_PATH = Path(__file__).parent / "data"
"""A folder as botocore's loader searches it: ``SERVICE/VERSION/service-2.json``."""


def load_service_model() -> dict[str, Any]:
    """Return the service model, as botocore's ``ServiceModel`` takes it."""
    [path] = DATA_PATH.glob(f"{SERVICE}/*/service-2.json")
    model: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return model
