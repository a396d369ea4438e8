"""The asynchronous client of any operation: events in, events out.

>>> client = Client("us-east-1")
>>> async with client.open(OPERATION, request) as stream:
...     await stream.send(event)
...     await stream.end()
...     async for event in stream:
...         print(event)

Each stream has a connection of its own, as the AWS SDKs do it: streams last for hours, and a lost packet or a lost
connection of one does not affect another. So the client itself holds no connection, and need not be closed.

Complete or an error: an iteration that ends without an error has seen the whole response, and everything was sent
before the response ended. Otherwise it raises `IncompleteStream`, which may be tried again.

Errors: an error that the service reports is a `ServiceError` of the operation's class; a malformed response is a
`CodecError`. Network errors are an `OSError` (a stream that broke: `StreamError`; ``ssl.SSLCertVerificationError``;
``TimeoutError``). A bad argument or environment setting is a `ConfigurationError`.
"""

from eventstream.client.client import Client, ClientOptions
from eventstream.client.responses import check_response
from eventstream.client.retries import Retries, RetryOn, StartOptions, retryable
from eventstream.client.stream import Stream
from eventstream.credentials import ConfigurationError, NoCredentials
from eventstream.http2 import StreamError

__all__ = [
    "Client",
    "ClientOptions",
    "ConfigurationError",
    "NoCredentials",
    "Retries",
    "RetryOn",
    "StartOptions",
    "Stream",
    "StreamError",
    "check_response",
    "retryable",
]
