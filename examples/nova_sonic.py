"""Talk to Nova Sonic: a microphone in, a speaker out, through the method of boto3 that boto3 itself lacks.

    python examples/nova_sonic.py                                     a recording, to a fake model that repeats it
    python examples/nova_sonic.py --microphone                        your voice, to the fake model; Ctrl-C ends it
    python examples/nova_sonic.py --microphone --region us-east-1     Nova Sonic

The answer is written to answer.wav (--output names another file), or played, with --microphone. It needs
eventstream-codec[client,mic]; the fake model needs no AWS account.
"""

from __future__ import annotations

import argparse
import base64
import json
import queue
import sys
import threading
import time
import uuid
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import botocore.session

from eventstream.adapters import boto3 as bidirectional

MODEL = "amazon.nova-sonic-v1:0"
RATE = 16_000
"""Samples a second, in both directions: 16 bits each, little-endian, one channel."""

CHUNK = RATE * 2 // 10
"""Bytes of a tenth of a second."""

# The client


class Conversation:
    """Says what Nova Sonic wants to hear: each event is JSON in the bytes of a chunk.

    Args:
        stream: what boto3's method returned.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.prompt = str(uuid.uuid4())
        self.audio = str(uuid.uuid4())

    def say(self, kind: str, **content: object) -> None:
        """Send one event."""
        self.stream.send({"chunk": {"bytes": json.dumps({"event": {kind: content}}).encode()}})

    def begin(self, instructions: str) -> None:
        """Send what comes before the audio."""
        self.say("sessionStart", inferenceConfiguration={"maxTokens": 1024, "topP": 0.9, "temperature": 0.7})
        audio = {"mediaType": "audio/lpcm", "sampleRateHertz": RATE, "sampleSizeBits": 16, "channelCount": 1}
        audio |= {"encoding": "base64", "audioType": "SPEECH"}
        text = {"mediaType": "text/plain"}
        self.say(
            "promptStart",
            promptName=self.prompt,
            textOutputConfiguration=text,
            audioOutputConfiguration={**audio, "voiceId": "matthew"},
        )
        names = {"promptName": self.prompt, "contentName": str(uuid.uuid4())}
        self.say("contentStart", **names, type="TEXT", interactive=False, role="SYSTEM", textInputConfiguration=text)
        self.say("textInput", **names, content=instructions)
        self.say("contentEnd", **names)
        names["contentName"] = self.audio
        self.say("contentStart", **names, type="AUDIO", interactive=True, role="USER", audioInputConfiguration=audio)

    def speak(self, audio: Iterator[bytes]) -> None:
        """Send the audio, as long as there is some, and then the end."""
        names = {"promptName": self.prompt, "contentName": self.audio}
        for samples in audio:
            self.say("audioInput", **names, content=base64.b64encode(samples).decode())
        self.say("contentEnd", **names)
        self.say("promptEnd", promptName=self.prompt)
        self.say("sessionEnd")
        self.stream.end()

    def listen(self, play: Callable[[bytes], None]) -> None:
        """Play what the model says, and show its words."""
        for event in self.stream:
            [(kind, content)] = json.loads(event["chunk"]["bytes"])["event"].items()
            if kind == "audioOutput":
                play(base64.b64decode(content["content"]))
            elif kind == "textOutput":
                print(f"{content['role'].lower()}: {content['content']}", flush=True)


def talk(client: Any, audio: Iterator[bytes], play: Callable[[bytes], None]) -> None:
    """Hold one conversation: a thread speaks while this one listens."""
    with client.invoke_model_with_bidirectional_stream(modelId=MODEL) as stream:
        conversation = Conversation(stream)
        conversation.begin("You are a friendly assistant. Answer in one or two short sentences.")
        speaking = threading.Thread(target=conversation.speak, args=[audio], daemon=True)
        speaking.start()
        conversation.listen(play)
        speaking.join()


# Microphones and speakers


def recording(path: Path, pause: float) -> Iterator[bytes]:
    """Yield the audio of a WAV file, with a pause in seconds after each chunk."""
    with wave.open(str(path)) as wav:
        if (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) != (1, 2, RATE):
            raise ValueError(f"{path}: one channel of 16 bits at {RATE} Hz is needed")
        while samples := wav.readframes(CHUNK // 2):
            yield samples
            time.sleep(pause)


@contextmanager
def microphone() -> Iterator[Iterator[bytes]]:
    """Listen to the microphone; Ctrl-C ends it."""
    import sounddevice

    heard: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def take(samples: Any, *_: object) -> None:
        heard.put(bytes(samples))

    with sounddevice.RawInputStream(RATE, CHUNK // 2, channels=1, dtype="int16", callback=take):
        yield iter(heard.get, None)


@contextmanager
def speaker() -> Iterator[Callable[[bytes], None]]:
    """Play on this machine's speaker."""
    import sounddevice

    with sounddevice.RawOutputStream(RATE, channels=1, dtype="int16") as device:
        yield device.write


@contextmanager
def file(path: Path) -> Iterator[Callable[[bytes], None]]:
    """Write a WAV file."""
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        yield wav.writeframes


# The fake model


async def parrot(request: dict[str, Any], events: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Repeat what was said, as Nova Sonic sends it."""

    def said(kind: str, **content: object) -> dict[str, Any]:
        return {"chunk": {"bytes": json.dumps({"event": {kind: content}}).encode()}}

    heard = bytearray()
    async for event in events:
        [(kind, content)] = json.loads(event["chunk"]["bytes"])["event"].items()
        if kind == "audioInput":
            heard += base64.b64decode(content["content"])
        elif kind == "contentEnd" and heard:
            yield said("completionStart")
            yield said("contentStart", type="TEXT", role="ASSISTANT")
            yield said("textOutput", role="ASSISTANT", content=f"You spoke for {len(heard) / 2 / RATE:.1f} seconds.")
            yield said("contentEnd", type="TEXT", stopReason="END_TURN")
            yield said("contentStart", type="AUDIO", role="ASSISTANT")
            for start in range(0, len(heard), CHUNK):
                yield said("audioOutput", content=base64.b64encode(heard[start : start + CHUNK]).decode())
            yield said("contentEnd", type="AUDIO", stopReason="END_TURN")
            yield said("completionEnd", stopReason="END_TURN")
            heard.clear()


def main() -> None:
    """Hold a conversation."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--region", help="ask Nova Sonic in this region; otherwise the fake model")
    parser.add_argument("--microphone", action="store_true", help="and the speaker of this machine")
    parser.add_argument("--wav", type=Path, default=Path(__file__).with_name("speech.wav"), help="what is said")
    parser.add_argument("--output", type=Path, default=Path("answer.wav"), help="what is answered")
    parser.add_argument("--fast", action="store_true", help="do not speak at the speed of speech")
    options = parser.parse_args()
    bidirectional.install()
    with ExitStack() as stack:
        if options.region:
            address = {"region_name": options.region}
        else:
            address = stack.enter_context(
                bidirectional.serve("bedrock-runtime", {"invoke_model_with_bidirectional_stream": parrot})
            )
        client = botocore.session.get_session().create_client("bedrock-runtime", **address)  # or boto3.client
        if options.microphone:
            audio = stack.enter_context(microphone())
            play = stack.enter_context(speaker())
        else:
            audio = recording(options.wav, 0 if options.fast else 0.1)
            play = stack.enter_context(file(options.output))
        talk(client, audio, play)
    if not options.microphone:
        print(f"written: {options.output}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
