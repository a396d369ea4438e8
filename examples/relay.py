"""Captions for a browser's microphone, through your own server: audio comes over a WebSocket, and words go back.

    python examples/relay.py                     # the emulator hears a script, in this process
    python examples/relay.py --region us-east-1  # Amazon Transcribe

Open http://127.0.0.1:8080/ in a browser. It gets neither credentials nor a presigned URL, so the server decides who is
transcribed, and sees both the audio and the words. The server needs eventstream-codec[client,websocket].

A WebSocket at ``/audio?rate=HZ`` takes 16-bit samples in binary messages; a text message ends them. It sends JSON:
``{"text": …, "partial": …}`` for each result, or ``{"error": …}``, and closes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, suppress
from functools import partial
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from eventstream import ServiceError
from eventstream.transcribe.client import ConfigurationError, TranscribeClient
from eventstream.transcribe.emulator import DOCUMENTATION_CREDENTIALS, Emulator

HOSTS = ("127.0.0.1", "localhost")
"""What this server is called. A page under another name that resolves to it would have the same origin."""

PAGE = """<!doctype html>
<html lang="en">
<title>Captions</title>
<link rel="icon" href="data:,">
<button id="speak">Speak</button> <button id="finish" disabled>Stop</button>
<div id="said"></div>
<script type="module">
const samples = `registerProcessor("samples", class extends AudioWorkletProcessor {
  process([[heard]]) {
    if (heard) this.port.postMessage(Int16Array.from(heard, (x) => 32767 * Math.max(-1, Math.min(1, x))));
    return true;
  }
});`;
speak.onclick = async () => {
  const last = said.appendChild(document.createElement("div"));
  const fail = (reason) => { last.textContent = reason; speak.disabled = false; };
  speak.disabled = true;
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true }).catch((error) => fail(error.message));
  if (!microphone) return;
  const context = new AudioContext();
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([samples], { type: "text/javascript" })));
  const node = new AudioWorkletNode(context, "samples", { numberOfOutputs: 0 });
  const socket = new WebSocket(`${location.origin.replace("http", "ws")}/audio?rate=${context.sampleRate}`);
  socket.onopen = () => { context.createMediaStreamSource(microphone).connect(node); finish.disabled = false; };
  socket.onerror = () => fail("The connection failed.");
  node.port.onmessage = ({ data }) => socket.readyState === WebSocket.OPEN && socket.send(data);
  finish.onclick = () => { finish.disabled = true; node.port.onmessage = null; socket.send("end"); };
  socket.onclose = () => {
    context.close();
    for (const track of microphone.getTracks()) track.stop();
    finish.disabled = true;
    speak.disabled = false;
  };
  socket.onmessage = ({ data }) => {
    const { text, partial, error } = JSON.parse(data);
    last.textContent = text ?? error;
    if (!partial) last.before(Object.assign(document.createElement("div"), { textContent: last.textContent }));
    if (!partial) last.textContent = "";
  };
};
</script>
"""


async def heard(browser: ServerConnection) -> AsyncIterator[bytes]:
    """Yield the audio, until a text message ends it, or the browser leaves."""
    with suppress(ConnectionClosed):
        async for message in browser:
            if isinstance(message, str):
                break
            yield message


async def relay(client: TranscribeClient, browser: ServerConnection) -> None:
    """Transcribe what one browser sends, until it leaves."""
    assert browser.request is not None
    with suppress(ConnectionClosed):
        try:
            [rate] = parse_qs(urlsplit(browser.request.path).query).get("rate", ["48000"])
            events = client.transcribe(
                heard(browser),
                language_code="en-US",
                media_sample_rate_hertz=int(rate),
                media_encoding="pcm",
                keep_alive=5.0,  # the service ends a stream after 15 s without audio
                retries=3,
            )
            async with aclosing(events):
                async for event in events:
                    for result in event.transcript.results:
                        told = {"text": result.alternatives[0].transcript, "partial": result.is_partial}
                        await browser.send(json.dumps(told))
        except (ServiceError, ConfigurationError, EOFError, OSError) as error:
            print(error, file=sys.stderr)  # and not in the browser: it may name this server's account and files
            await browser.send(json.dumps({"error": "The transcription broke off."}))
        except ValueError as error:  # the rate, or the audio
            await browser.send(json.dumps({"error": str(error)}))


def admit(browser: ServerConnection, request: Request) -> Response | None:
    """Answer requests for the page, and refuse WebSockets of other sites' pages: browsers open those, too."""
    path = urlsplit(request.path).path
    if path == "/":
        response = browser.respond(HTTPStatus.OK, PAGE)
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "text/html; charset=utf-8"
        return response
    if path != "/audio":
        return browser.respond(HTTPStatus.NOT_FOUND, "There are a page at / and a WebSocket at /audio.\n")
    host = request.headers.get("Host", "")
    if host.partition(":")[0] not in HOSTS or request.headers.get("Origin", "").partition("://")[2] != host:
        return browser.respond(HTTPStatus.FORBIDDEN, "Only this server's page may use it.\n")
    return None


def serving(client: TranscribeClient, port: int) -> AbstractAsyncContextManager[Server]:
    """Return the server, which runs in an ``async with`` statement."""
    return serve(partial(relay, client), "127.0.0.1", port, process_request=admit, max_size=1 << 16)


async def main() -> None:
    """Serve it on this machine."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--region", help="ask Amazon Transcribe in this region; otherwise the emulator")
    parser.add_argument("--port", type=int, default=8080)
    options = parser.parse_args()
    async with AsyncExitStack() as stack:
        client = TranscribeClient(options.region or "us-east-1")
        if options.region is None:
            emulator = await stack.enter_async_context(Emulator())
            client = TranscribeClient("us-east-1", endpoint=emulator.endpoint, credentials=DOCUMENTATION_CREDENTIALS)
        server = await stack.enter_async_context(serving(client, options.port))
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
