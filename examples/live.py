"""Speech goes in, and words come out while it is being spoken: our client and a local endpoint, over real HTTP/2.

    python examples/live.py [--fast] [--recogniser NAME] [WAV]

The endpoint is the emulator, in this process: no AWS account is needed, and every signature is verified. To use Amazon
Transcribe instead, give `TranscribeClient` only the region. By default the words are those of speech.wav, 3.3 seconds
of a LibriVox recording, which is in the public domain.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from pathlib import Path

try:
    from eventstream.transcribe import Result, StartStreamTranscriptionRequest, TranscribeError, TranscriptEvent
    from eventstream.transcribe.audio import WavFile, iter_chunks, open_wav, pace
    from eventstream.transcribe.client import TranscribeClient
    from eventstream.transcribe.emulator import DOCUMENTATION_CREDENTIALS, Emulator, RecogniserFactory, load_recogniser
except ImportError as error:
    sys.exit(f"{error}; the demo needs: pip install 'eventstream-codec[client,emulator,speech]'")

CHUNK_DURATION = 0.1
SPEECH = Path(__file__).with_name("speech.wav")
SPOKEN = '"He might even have been made amiable himself." (speech.wav, 3.3 s of a LibriVox recording)'


async def transcribe(wav: WavFile, path: Path, recogniser_name: str | None, fast: bool) -> None:
    if wav.format.channels != 1:
        raise ValueError("the demo follows one speaker: it needs a WAV with one channel")
    request = StartStreamTranscriptionRequest(
        language_code="en-US", media_sample_rate_hertz=wav.format.sample_rate_hertz, media_encoding="pcm"
    )
    print(f"Spoken    {SPOKEN if path == SPEECH else path.name}")
    recogniser = load(recogniser_name, request)
    report = Report()
    async with Emulator(recogniser=recogniser) as emulator:
        client = TranscribeClient("us-east-1", endpoint=emulator.endpoint, credentials=DOCUMENTATION_CREDENTIALS)
        print(f"Where     {emulator.endpoint}, in this process, over HTTP/2; every signature is verified")
        async for event in client.transcribe(report.sent(chunks(wav, fast)), request, pace=False):
            for result in report.received(event):
                report.show(result)
    report.sum_up()
    counted = emulator.statistics
    print(f"Verified  {counted.signatures} signatures: the request's, {counted.audio_events} chunks', the end's")


def chunks(wav: WavFile, fast: bool) -> AsyncIterator[bytes]:
    """Return the audio as a microphone would give it, or all at once."""
    return pace(
        iter_chunks(wav, wav.format, CHUNK_DURATION),
        wav.format,
        sleep=(lambda _: asyncio.sleep(0)) if fast else asyncio.sleep,
    )


def load(name: str | None, request: StartStreamTranscriptionRequest) -> RecogniserFactory:
    """Return the recogniser, its model loaded, so that the first words need not wait for it."""
    who = name or "moonshine"
    try:
        factory = load_recogniser(who)
    except ImportError as error:
        if name is not None:
            raise
        print(f"Heard by  scripted, which returns the same words for any audio, since {error}")
        factory = load_recogniser("scripted")
    else:
        print(f"Heard by  {who}, on this machine")
    recogniser = factory(request)
    list(recogniser.feed(bytes(3200)))
    list(recogniser.finish())
    recogniser.close()
    return factory


class Report:
    """Counts what goes out and comes in, and takes the time in between."""

    def __init__(self) -> None:
        self.sent_at: list[float] = []
        self.sent_bytes = self.events = 0
        self.shown = ""
        self.lines_left = 10  # for partial results, where they cannot grow in place
        self.heard = 0.0
        self.latencies: list[float] = []

    async def sent(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            self.sent_at.append(time.perf_counter())
            self.sent_bytes += len(chunk)
            yield chunk

    def received(self, event: TranscriptEvent) -> list[Result]:
        now = time.perf_counter()
        results = event.transcript.results
        self.events += 1
        for result in results:
            if result.end_time is not None and result.end_time > self.heard:
                self.heard = result.end_time
                chunk = int(self.heard / CHUNK_DURATION - 1e-6)  # the one in which the last word ends
                self.latencies.append(now - self.sent_at[min(chunk, len(self.sent_at) - 1)])
        return results

    def show(self, result: Result) -> None:
        """Print a result that has changed: partial ones grow in place on a terminal, and elsewhere line by line."""
        text = result.alternatives[0].transcript or ""
        on_terminal = sys.stdout.isatty()
        if result.is_partial:
            if text != self.shown and (on_terminal or self.lines_left):
                self.lines_left -= 1
                room = shutil.get_terminal_size().columns - 12 if on_terminal else 10_000
                start, end = ("\r\x1b[K", "") if on_terminal else ("", "\n")
                print(f"{start}  {result.end_time:5.2f} s  {text[-room:]}", end=end, flush=True)
            self.shown = text
            return
        self.shown = ""
        words = [item for item in result.alternatives[0].items if item.type == "pronunciation"]
        times = "  ".join(f"{word.content}\u00a0{word.start_time:.2f}–{word.end_time:.2f}" for word in words)
        print(end="\r\x1b[K" if on_terminal else "")
        print(f"Final     {text}\n{textwrap.indent(textwrap.fill(times, 100), ' ' * 10)}")

    def sum_up(self) -> None:
        """Print how much went out and came in, and how long it took."""
        sent = f"{len(self.sent_at)} chunks of audio, {self.sent_bytes:,} bytes"
        print(f"Sent      {sent}; {self.events} events came back")
        if self.latencies:
            middle, worst = statistics.median(self.latencies) * 1000, max(self.latencies) * 1000
            print(f"Latency   {middle:.0f} ms (p50), {worst:.0f} ms (max), from the chunk in which a word ends")


def main() -> int:
    parser = argparse.ArgumentParser(description="Transcribe a WAV while it is being streamed to a local endpoint.")
    parser.add_argument("wav", nargs="?", type=Path, default=SPEECH, metavar="WAV")
    parser.add_argument("--fast", action="store_true", help="stream as fast as it goes, not as it was spoken")
    parser.add_argument("--recogniser", metavar="NAME", help="moonshine (default), scripted or module:factory")
    options = parser.parse_args()
    try:
        with open_wav(options.wav) as wav:
            asyncio.run(transcribe(wav, options.wav, options.recogniser, options.fast))
    except (TranscribeError, OSError, ValueError, ImportError) as error:
        print(f"{options.wav}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
