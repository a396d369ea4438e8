"""What a recorded client of Amazon Transcribe sent, verified event by event, and what it received, typed.

    python examples/recorded.py [NAME]

NAME is an exchange of tests/captures/index.json, by default one of recorded speech. No service is called: the request,
its headers and both bodies are what a real client exchanged with a local endpoint, signed with the keys of AWS's
documentation.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from eventstream import CodecError
from eventstream.signing import Credentials
from eventstream.transcribe import (
    AudioEvent,
    ClientSession,
    ServerSession,
    StartStreamTranscriptionRequest,
    TranscribeError,
)

CAPTURES = Path(__file__).parent.parent / "tests/captures"
CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


def main(name: str = "amazon-transcribe-0.6.4-speech") -> int:
    exchanges = {exchange["name"]: exchange for exchange in json.loads((CAPTURES / "index.json").read_text())}
    if name not in exchanges:
        print(f"no exchange {name!r}; there are: {', '.join(exchanges)}", file=sys.stderr)
        return 2
    headers = [(name, value) for name, value in exchanges[name]["request_headers"]]
    try:
        request = verify_request(headers, (CAPTURES / f"{name}.request.bin").read_bytes())
        show_results(request, (CAPTURES / f"{name}.response.bin").read_bytes())
    except CodecError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except TranscribeError as error:
        print(f"The service answered {type(error).__name__} ({error.status_code}): {error.message}")
    return 0


def verify_request(headers: list[tuple[str, str]], body: bytes) -> StartStreamTranscriptionRequest:
    """Be the server: verify the request, then each event, and count the audio in them."""
    fields = dict(headers)
    sent = datetime.strptime(fields["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    session = ServerSession(CREDENTIALS, clock=lambda: sent + timedelta(minutes=1))
    request = session.receive_request(fields[":method"], fields[":path"], headers)
    print(f"Request verified: {request.language_code}, {request.media_encoding}, {request.media_sample_rate_hertz} Hz")
    audio = 0
    for event in session.receive(body):
        if isinstance(event, AudioEvent):
            audio += len(event.audio_chunk)
            seconds = audio / 2 / request.media_sample_rate_hertz  # two bytes a sample
            print(f"  verified: {len(event.audio_chunk):,} bytes of audio, {seconds:.1f} s so far")
    session.receive_eof()
    print("  verified: the end of the audio")
    return request


def show_results(request: StartStreamTranscriptionRequest, body: bytes) -> None:
    """Be the client: print the typed events of the response."""
    print("Results:")
    session = ClientSession(request)
    session.end_audio()  # as the recorded client did: a response that ends before is an error
    for event in session.receive(body):
        for result in event.transcript.results:
            for alternative in result.alternatives[:1]:
                state = "partial" if result.is_partial else "FINAL  "
                print(f"  {state} {result.start_time:5.2f}-{result.end_time:5.2f} s  {alternative.transcript}")
                if not result.is_partial:
                    words = (f"{item.content} {item.start_time:.2f}" for item in alternative.items)
                    print(f"          words and when they begin: {', '.join(words)}")
    session.receive_eof()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
