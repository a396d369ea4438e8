"""A gateway to Bedrock: it takes JSON from callers without AWS credentials, and streams the model's answer to them.

    python examples/gateway.py --region us-east-1
    curl -N localhost:8080/anthropic.claude-3-haiku-20240307-v1:0 -d '{"messages": …}'

Callers get server-sent events or, with ``Accept: application/vnd.amazon.eventstream``, a new event stream. An error
status of Bedrock is passed on. An error after the answer has begun is an event ``error``, or an exception in the
stream; an answer that ends too early is an error, too. It needs eventstream-codec[client] and aiohttp.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, web
from yarl import URL

from eventstream import Headers, ServiceError, aiter_messages, encode
from eventstream.credentials import CredentialChain, Source, resolve
from eventstream.operation import CONTENT_TYPE, error_from_response, error_to_message
from eventstream.signing import sign_request

METRICS = "amazon-bedrock-invocationMetrics"
"""A member of the last chunk of every complete answer."""

CHUNK = Headers({":message-type": "event", ":event-type": "chunk", ":content-type": "application/json"})

UNREACHABLE = (ClientError, asyncio.TimeoutError)
FAILURES = (ServiceError, *UNREACHABLE, EOFError, ValueError, LookupError)
"""What can go wrong in an answer. Errors of the codec are a ``ValueError`` or an ``EOFError``."""


class Gateway:
    """Answers each request with what Bedrock answers.

    Args:
        region: e.g. ``"us-east-1"``.
        credentials: those of the gateway, or what finds them anew for each request.
        endpoint: where Bedrock is.
    """

    def __init__(self, region: str, credentials: Source, endpoint: str) -> None:
        self.region = region
        self.credentials = credentials
        self.endpoint = endpoint

    async def run(self, _: web.Application) -> AsyncIterator[None]:
        """Keep connections to Bedrock while the application runs."""
        async with ClientSession(timeout=ClientTimeout(total=None, sock_connect=10, sock_read=120)) as self.session:
            yield

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        if "Origin" in request.headers:  # as browsers send it with every POST, and no page belongs to this server
            return web.json_response({"error": "Forbidden", "message": "Web pages may not use it."}, status=403)
        body = await request.read()
        path = f"/model/{quote(request.match_info['model'], safe='')}/invoke-with-response-stream"
        url = URL(self.endpoint + path, encoded=True)
        try:
            response = await self.session.post(url, data=body, headers=await self.signed(url, body))
        except UNREACHABLE as error:
            return web.json_response({"error": "Unreachable", "message": str(error)}, status=502)
        async with response:
            if response.status != 200:
                return await refusal(response)
            if request.headers.get("accept") == CONTENT_TYPE:
                return await stream(request, CONTENT_TYPE, events(response))
            return await stream(request, "text/event-stream", server_sent_events(response))

    async def signed(self, url: URL, body: bytes) -> dict[str, str]:
        """Return the headers of a request to Bedrock; the signature covers them, the path and the body."""
        headers = [("host", url.authority), ("content-type", "application/json"), ("accept", CONTENT_TYPE)]
        credentials = await resolve(self.credentials)
        hashed = sha256(body).hexdigest()
        sent, _ = sign_request(credentials, self.region, "bedrock", "POST", url.raw_path, headers, payload_hash=hashed)
        return dict(sent)


async def refusal(response: ClientResponse) -> web.Response:
    """Return the answer for a request that Bedrock refuses, with its status and its words."""
    body = await response.read()
    error = error_from_response({}, ServiceError, response.status, response.headers.items(), body)
    return web.json_response(described(error), status=response.status)


async def stream(request: web.Request, content_type: str, pieces: AsyncIterator[bytes]) -> web.StreamResponse:
    """Send the pieces as they come."""
    response = web.StreamResponse(headers={"content-type": content_type, "cache-control": "no-cache"})
    await response.prepare(request)
    async for piece in pieces:
        await response.write(piece)
    await response.write_eof()
    return response


async def chunks(response: ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """Yield the JSON of each chunk; the service has it in base64, in an object of its own.

    Raises:
        ServiceError: the service gave up in mid-stream.
        EOFError, ValueError: the answer was cut, or was damaged.
    """
    last: dict[str, Any] = {}
    async for message in aiter_messages(response):
        message.raise_for_error()
        if message.event_type == "chunk":
            last = json.loads(base64.b64decode(json.loads(message.payload)["bytes"]))
            yield last
    if METRICS not in last:
        raise EOFError("it ended before its last chunk")


async def server_sent_events(response: ClientResponse) -> AsyncIterator[bytes]:
    """Yield an event for each chunk, and one that says how the answer ended."""
    try:
        async for chunk in chunks(response):
            yield b"data: %s\n\n" % json.dumps(chunk).encode()
        yield b"event: done\ndata: {}\n\n"
    except FAILURES as error:
        yield b"event: error\ndata: %s\n\n" % json.dumps(described(error)).encode()


async def events(response: ClientResponse) -> AsyncIterator[bytes]:
    """Yield the chunks as events of our own, and an exception if something went wrong."""
    try:
        async for chunk in chunks(response):
            data = base64.b64encode(json.dumps(chunk).encode()).decode()
            yield encode(CHUNK, json.dumps({"bytes": data}).encode())
    except FAILURES as error:
        told = described(error)
        yield error_to_message(ServiceError(told["error"], told["message"]), "message").encode()


def described(error: BaseException) -> dict[str, str]:
    """Return what a caller is told: the service's own words, or that the answer is not whole."""
    if isinstance(error, ServiceError):
        return {"error": error.code, "message": error.message}
    return {"error": "modelStreamErrorException", "message": f"The answer is not complete: {error}"}


def application(gateway: Gateway) -> web.Application:
    """Return the application that serves it."""
    app = web.Application(client_max_size=32 << 20)
    app.cleanup_ctx.append(gateway.run)
    app.router.add_post("/{model}", gateway.answer)
    return app


def main() -> None:
    """Serve it on this machine."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--port", type=int, default=8080)
    options = parser.parse_args()
    gateway = Gateway(options.region, CredentialChain(), f"https://bedrock-runtime.{options.region}.amazonaws.com")
    web.run_app(application(gateway), host="127.0.0.1", port=options.port)


if __name__ == "__main__":
    main()
