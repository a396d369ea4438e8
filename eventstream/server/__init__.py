"""A server of any operation, over HTTP/2 and WebSockets: it verifies, dispatches, limits, drains, logs, and fails on
demand.

>>> async def shout(request, events):
...     async for event in events:
...         yield event.upper()
>>> async with Server({OPERATION: shout}, credentials=[credentials]) as server:
...     print(server.endpoint)

A stream goes through the same steps as at AWS's services. What is wrong with the request (its path, its signature, its
parameters, too many streams at once) is answered as an HTTP error. Then the response's headers go out at once, since
some clients send nothing before. From here on, errors are reported in an ``exception`` message, which ends the stream;
on a WebSocket all of them are.

Every stream is its own task, and a fault in one does not reach another. A client that sends nothing, or reads nothing,
loses its stream after a time.
"""

from eventstream.server.conversation import Conversation, Handler
from eventstream.server.limits import ConnectionLimits, Limits
from eventstream.server.server import Server
from eventstream.server.service import Service, Statistics

__all__ = ["ConnectionLimits", "Conversation", "Handler", "Limits", "Server", "Service", "Statistics"]
