"""The blocking client of Transcribe, against the emulator."""

from __future__ import annotations

import array
import asyncio
import gc
import io
import queue
import threading
from contextlib import contextmanager
from functools import partial

import pytest
from programs import finished

from eventstream import sync
from eventstream.exceptions import IncompleteStream
from eventstream.transcribe.audio import open_wav
from eventstream.transcribe.emulator import DOCUMENTATION_CREDENTIALS, Emulator, Scripted
from eventstream.transcribe.sync import TranscribeClient

PCM = {"language_code": "en-US", "media_sample_rate_hertz": 16000, "media_encoding": "pcm"}
AUDIO = bytes(28_800)  # 0.9 s: three words
LIMIT = 20


@contextmanager
def serving(**options):
    started, found = threading.Event(), {}

    async def serve():
        found["stopped"] = asyncio.Event()
        async with Emulator(recogniser=Scripted("One two three."), **options) as emulator:
            found.update(emulator=emulator, loop=asyncio.get_running_loop())
            started.set()
            await found["stopped"].wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(LIMIT)
        yield TranscribeClient("us-east-1", endpoint=found["emulator"].endpoint, credentials=DOCUMENTATION_CREDENTIALS)
    finally:
        found["loop"].call_soon_threadsafe(found["stopped"].set)
        thread.join(LIMIT)
        assert not thread.is_alive()


def text_of(events):
    return [
        result.alternatives[0].transcript
        for event in events
        for result in event.transcript.results
        if not result.is_partial
    ]


def wav():
    header = b"RIFF" + (36 + len(AUDIO)).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    fields = (1).to_bytes(2, "little") + (1).to_bytes(2, "little") + (16_000).to_bytes(4, "little")
    fields += (32_000).to_bytes(4, "little") + (2).to_bytes(2, "little") + (16).to_bytes(2, "little")
    return header + fields + b"data" + len(AUDIO).to_bytes(4, "little") + AUDIO


SOURCES = {
    "bytes": lambda: AUDIO,
    "array": lambda: array.array("B", AUDIO),
    "file": lambda: io.BytesIO(AUDIO),
    "pieces": lambda: iter([AUDIO[:5_000], b"", AUDIO[5_000:]]),
    "wav": wav,
    "WavFile": lambda: open_wav(io.BytesIO(wav())),
}


@pytest.mark.parametrize("source", SOURCES)
def test_transcribe(source):
    parameters = {"language_code": "en-US"} if source in ("wav", "WavFile") else PCM
    with serving() as client:
        assert text_of(client.transcribe(SOURCES[source](), pace=False, **parameters)) == ["One two three."]


class Microphone(io.BytesIO):
    """A file that remembers the threads in which it is read."""

    def __init__(self):
        super().__init__(AUDIO)
        self.threads = set()

    def read1(self, size=-1):
        self.threads.add(threading.current_thread())
        return super().read1(size)


@pytest.mark.parametrize("kind", ["file", "iterator"])
def test_transcribe_reads_a_source_that_blocks_in_a_thread_of_its_own(kind):
    """In one, which ends with the transcription: a generator may hold what belongs to a thread, such as a database."""
    microphone = Microphone()
    source = microphone if kind == "file" else iter(partial(microphone.read1, 3_200), b"")
    with serving() as client:
        assert text_of(client.transcribe(source, pace=False, **PCM)) == ["One two three."]
    (thread,) = microphone.threads
    assert thread.name == "eventstream-call"
    gc.collect()  # where the reader is not collected at once
    thread.join(LIMIT)
    assert not thread.is_alive()


def test_transcribe_refuses_a_piece_that_is_none():
    """It is not an end: what comes after it would be lost."""
    with serving() as client, pytest.raises(TypeError, match="NoneType"):
        list(client.transcribe(iter([AUDIO[:5_000], None, AUDIO[5_000:]]), pace=False, **PCM))


def test_transcribe_says_how_to_take_a_queue():
    audio = queue.Queue()
    with serving() as client:
        kinds = "a path, bytes, an iterable of them or something with read"
        text = rf"^audio must be {kinds}, not queue\.Queue; of a queue\.Queue give iter\(queue\.get, None\)$"
        with pytest.raises(TypeError, match=text):
            client.transcribe(audio, pace=False, **PCM)
        audio.put(AUDIO)
        audio.put(None)
        assert text_of(client.transcribe(iter(audio.get, None), pace=False, **PCM)) == ["One two three."]


def test_transcribe_asynchronous_sources_too():
    async def pieces():
        yield AUDIO

    class Reader:
        def __init__(self):
            self.left = io.BytesIO(AUDIO)

        async def read(self, size):
            return self.left.read(size)

    with serving() as client:
        for source in (pieces(), Reader()):
            assert text_of(client.transcribe(source, pace=False, **PCM)) == ["One two three."]


def test_transcribe_that_is_left_early():
    with serving() as client:
        events = client.transcribe(AUDIO, pace=True, **PCM)
        next(events)
        events.close()


def test_transcription_that_is_sent_and_received_here():
    with serving() as client, client.start_stream_transcription(**PCM) as stream:
        assert stream.response.language_code == "en-US"
        for start in range(0, len(AUDIO), 3_200):
            stream.send_audio(AUDIO[start : start + 3_200])
        stream.end_audio()
        assert text_of(stream) == ["One two three."]


def test_incomplete_stream_if_the_service_ends_early():
    with serving(faults=["early-end@3"]) as client, pytest.raises(IncompleteStream):
        list(client.transcribe(AUDIO, pace=True, **PCM))


def test_endpoint_is_that_of_the_operation():
    client = TranscribeClient("us-east-1", credentials=DOCUMENTATION_CREDENTIALS)
    assert client.endpoint == "https://transcribestreaming.us-east-1.amazonaws.com"
    assert client.region == "us-east-1"


def test_unknown_language_points_at_the_users_line(closed_port):
    endpoint = f"http://127.0.0.1:{closed_port}"
    client = TranscribeClient("us-east-1", endpoint=endpoint, credentials=DOCUMENTATION_CREDENTIALS)
    fields = {**PCM, "language_code": "tlh-001"}

    def call():
        client.start_stream_transcription(**fields)
        client.presign(**fields)
        with pytest.raises(OSError, match=rf"127\.0\.0\.1:{closed_port}"):
            next(client.transcribe(AUDIO, **fields))

    with pytest.warns(UserWarning, match="language code 'tlh-001' is not known here") as caught:
        call()
    assert [warning.filename for warning in caught] == [__file__] * 3
    assert len({warning.lineno for warning in caught}) == 3


def test_websocket_and_presign():
    with serving() as client:
        url = client.presign(**PCM)
        assert "/stream-transcription-websocket?language-code=en-US&" in url


def test_websocket_transcribes():
    with sync.serving(Emulator(recogniser=Scripted("One two three."))) as emulator:
        client = TranscribeClient(
            "us-east-1",
            endpoint=emulator.websocket_endpoint,
            credentials=DOCUMENTATION_CREDENTIALS,
            transport="websocket",
        )
        assert text_of(client.transcribe(AUDIO, pace=False, **PCM)) == ["One two three."]


def test_loop_left_early_does_not_keep_the_process():
    """The thread that waits for the audio, in ``queue.get``, is never woken."""
    program = """if True:
        import queue, sys
        from eventstream.signing import Credentials
        from eventstream.transcribe.sync import TranscribeClient

        heard = queue.SimpleQueue()
        for _ in range(3):
            heard.put(bytes(9_600))
        client = TranscribeClient("us-east-1", endpoint=sys.argv[1], credentials=Credentials(*sys.argv[2:]))
        options = {"language_code": "en-US", "media_sample_rate_hertz": 16000, "media_encoding": "pcm", "pace": False}
        for _ in client.transcribe(iter(heard.get, None), **options):
            break
        print("the end")
    """
    keys = [DOCUMENTATION_CREDENTIALS.access_key, DOCUMENTATION_CREDENTIALS.secret_key]
    with serving() as client:
        done = finished(program, client.endpoint, *keys)
    assert (done.returncode, done.stdout, done.stderr) == (0, "the end\n", "")
