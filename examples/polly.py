"""Let Amazon Polly speak a text while it is still being written, through the method of boto3 that boto3 itself lacks.

    some-model | python examples/polly.py                         a fake voice
    some-model | python examples/polly.py --region us-east-1      Polly's

Each line of the input is sent as it comes; the audio is written to speech.mp3 as it comes. It needs
eventstream-codec[client]; the fake voice needs no AWS account.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import botocore.session

from eventstream.adapters import boto3 as bidirectional


def speak(client: Any, texts: Iterator[str], audio: BinaryIO) -> int:
    """Write what is spoken; return how many characters Polly counts."""
    with client.start_speech_synthesis_stream(Engine="generative", OutputFormat="mp3", VoiceId="Amy") as stream:

        def send() -> None:
            for text in texts:
                stream.send({"TextEvent": {"Text": text, "TextType": "text"}})
            stream.send({"CloseStreamEvent": {}})
            stream.end()

        sending = threading.Thread(target=send, daemon=True)
        sending.start()
        characters = None
        for event in stream:
            if "AudioEvent" in event:
                audio.write(event["AudioEvent"]["AudioChunk"])
            elif "StreamClosedEvent" in event:  # the last event of a complete answer
                characters = event["StreamClosedEvent"]["RequestCharacters"]
        sending.join()
    if characters is None:
        raise EOFError("the speech is not complete")
    return int(characters)


async def hum(request: dict[str, Any], events: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Speak as the fake voice: it hums a byte for each character."""
    characters = 0
    async for event in events:
        if "TextEvent" in event:
            characters += len(event["TextEvent"]["Text"])
            yield {"AudioEvent": {"AudioChunk": b"\0" * len(event["TextEvent"]["Text"])}}
        elif "CloseStreamEvent" in event:
            yield {"StreamClosedEvent": {"RequestCharacters": characters}}


def main() -> None:
    """Speak what comes on standard input."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--region", help="ask Polly in this region; otherwise the fake voice")
    parser.add_argument("--output", type=Path, default=Path("speech.mp3"))
    options = parser.parse_args()
    bidirectional.install()
    with ExitStack() as stack:
        if options.region:
            address = {"region_name": options.region}
        else:
            address = stack.enter_context(bidirectional.serve("polly", {"start_speech_synthesis_stream": hum}))
        client = botocore.session.get_session().create_client("polly", **address)  # or boto3.client
        characters = speak(client, sys.stdin, stack.enter_context(options.output.open("wb")))
    print(f"{characters} characters, {options.output.stat().st_size} bytes of audio in {options.output}")


if __name__ == "__main__":
    main()
