"""``eventstream presign``: the URL that opens a WebSocket of Amazon Transcribe, without credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from eventstream._text import visible
from eventstream.cli import _options
from eventstream.cli._terminal import TROUBLE, complaint

if TYPE_CHECKING:
    from eventstream.operation import Operation

_NO_WEBSOCKET = "a WebSocket's endpoint begins with ws:// or wss://: it is the second line of `eventstream emulate`"

_OPERATIONS = ("transcription", "medical", "call-analytics")


def _operation(name: str) -> Operation[Any, Any, Any, Any]:
    from eventstream.transcribe import operations

    known: dict[str, Operation[Any, Any, Any, Any]] = {
        "transcription": operations.START_STREAM_TRANSCRIPTION,
        "medical": operations.START_MEDICAL_STREAM_TRANSCRIPTION,
        "call-analytics": operations.START_CALL_ANALYTICS_STREAM_TRANSCRIPTION,
    }
    return known[name]


def _headers(operation: Operation[Any, Any, Any, Any]) -> dict[str, str]:
    """Return the headers of an operation's parameters, by their names in the query."""
    prefix = operation.websocket_prefix
    request: Any = operation.request
    headers = [parameter.header for parameter in request.type.parameters.values()]
    return {header.removeprefix(prefix): header for header in headers}


def _in_names_of_the_query(text: str, operation: Operation[Any, Any, Any, Any]) -> str:
    """Return a text about a request with the parameters' names in the query in place of the fields' names."""
    request: Any = operation.request
    names = {
        field: parameter.header.removeprefix(operation.websocket_prefix)
        for field, parameter in request.type.parameters.items()
    }
    return _options.renamed(text, names)


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a parameter."""
    try:
        names = _headers(_operation(ctx.params.get("operation") or _OPERATIONS[0]))
    except ModuleNotFoundError:  # of the extra, which the command itself names
        return []
    return [CompletionItem(f"{name}=") for name in names if name.startswith(incomplete)]


@click.command(
    "presign",
    epilog="""\b
Examples:
  eventstream presign language-code=en-US media-encoding=pcm sample-rate=16000
  eventstream presign --operation medical language-code=en-US media-encoding=flac \\
      sample-rate=16000 specialty=PRIMARYCARE type=DICTATION
  eventstream presign --endpoint ws://127.0.0.1:8081 --expires 60 language-code=en-US \\
      media-encoding=pcm sample-rate=16000""",
)
@click.argument("parameters", nargs=-1, metavar="[NAME=VALUE]...", shell_complete=_complete)
@click.option(
    "--operation",
    type=click.Choice(_OPERATIONS),
    default=_OPERATIONS[0],
    show_default=True,
    is_eager=True,
    help="The operation to call.",
)
@click.option(
    "--expires", type=click.IntRange(1, 300), default=300, show_default=True, help="Seconds for which the URL is valid."
)
@_options.service
def command(
    parameters: tuple[str, ...],
    operation: str,
    expires: int,
    region: str | None,
    profile: str | None,
    endpoint: str | None,
) -> int:
    """Print the URL that opens a WebSocket for a stream of Amazon Transcribe.

    The names of the parameters are those of the URL. Any holder of the URL can open streams with it until it expires.
    """
    if endpoint is not None and not endpoint.lower().startswith(("ws:", "wss:")):
        raise click.UsageError(f"--endpoint: {_NO_WEBSOCKET}")
    with _options.needed("client"):
        from eventstream.transcribe.sync import ConfigurationError, TranscribeClient
    from eventstream.credentials import NoRegion
    from eventstream.operation import InvalidRequest, Parts

    called = _operation(operation)
    try:
        request = called.request.read(Parts(headers=_given(parameters, _headers(called))))
        client = TranscribeClient(region, profile=profile, endpoint=endpoint)
        if client.endpoint_of(called).lower().startswith("http:"):  # AWS's begin with https:, and take WebSockets, too
            where = "the endpoint in the environment does not take WebSockets: give --endpoint"
            raise click.UsageError(f"{where}; {_NO_WEBSOCKET}")
        click.echo(client.presign(request, expires=expires))
    except InvalidRequest as error:
        raise click.UsageError(visible(_in_names_of_the_query(str(error), called))) from None
    except ConfigurationError as error:
        complaint(_options.NO_REGION if isinstance(error, NoRegion) else str(error))
        return TROUBLE
    return 0


def _given(parameters: tuple[str, ...], headers: dict[str, str]) -> list[tuple[str, str]]:
    """Return the parameters as headers.

    Raises:
        click.UsageError: one is not NAME=VALUE, is not a parameter of the operation, or is there twice.
    """
    given: dict[str, str] = {}
    for parameter in parameters:
        name, equals, value = parameter.partition("=")
        if not equals:
            raise click.UsageError(f"{visible(parameter)} is not NAME=VALUE")
        if name not in headers:
            raise click.UsageError(
                f"{visible(name)} is not a parameter of this operation, which has {', '.join(headers)}"
            )
        if headers[name] in given:
            raise click.UsageError(f"{name} is given twice")
        given[headers[name]] = value
    return list(given.items())
