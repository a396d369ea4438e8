"""Audio on its way into a transcription: its format, chunks of a chosen duration, WAV files, and the pace of real time.

The service takes chunks of at most 32,768 bytes and one second, of whole samples; 50 to 200 ms are recommended.
`iter_chunks` and `aiter_chunks` take audio in pieces of any size, and cut it where the `AudioFormat` says. `pace` then
yields each chunk when it is due, counted from the first, so that delays do not add up. `Source` takes audio of any
kind, and checks by its first bytes that it is what it should be.

Source: the Amazon Transcribe guide ("Media formats and channels", "Streaming and Amazon Transcribe").
"""

from eventstream.transcribe.audio.chunks import aiter_chunks, iter_chunks
from eventstream.transcribe.audio.format import DEFAULT_DURATION, MAX_CHUNK_LENGTH, AudioFormat
from eventstream.transcribe.audio.pacing import pace
from eventstream.transcribe.audio.source import Source
from eventstream.transcribe.audio.wav import WavFile, open_wav

__all__ = [
    "DEFAULT_DURATION",
    "MAX_CHUNK_LENGTH",
    "AudioFormat",
    "Source",
    "WavFile",
    "aiter_chunks",
    "iter_chunks",
    "open_wav",
    "pace",
]
