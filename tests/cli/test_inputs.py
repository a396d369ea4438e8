"""The forms of files: each is recognised, and gives the same stream; anything else says what it begins with."""

from __future__ import annotations

import base64
import contextlib
import gzip
import itertools
import json
import os
import sys
import tempfile
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import frames
import pytest
from cases import case, each
from cli.test_mitmproxy import dumped
from hypothesis import given
from hypothesis import strategies as st
from programs import finished

from eventstream import Gap, TruncatedMessage
from eventstream.cli import _containers, _inputs, _options, _recording
from eventstream.cli._inputs import opened
from eventstream.cli._recording import Body, Recording, Stretch, UnusableInput

LIMITS = {"max_headers_length": 131_072, "max_payload_length": 25_165_824}
STREAM = frames.EVENT_FRAME + frames.TEN_FRAME + frames.TAIL_FRAME
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\nX-Id: 7\r\n\r\n"
JSON_HEADERS = [{"name": "Content-Type", "value": "application/vnd.amazon.eventstream"}]


def har(stream: bytes) -> bytes:
    content = {"mimeType": "x", "text": base64.b64encode(stream).decode(), "encoding": "base64"}
    other = {"response": {"headers": [], "content": {"text": "<html>"}}}
    entry = {"request": {"method": "POST"}, "response": {"headers": JSON_HEADERS, "content": content}}
    return json.dumps({"log": {"version": "1.2", "entries": [other, entry]}}).encode()


def cassette_json(stream: bytes) -> bytes:
    body = {"base64_string": base64.b64encode(stream).decode()}
    response = {"headers": {"Content-Type": ["application/vnd.amazon.eventstream"]}, "body": body}
    return json.dumps({"http_interactions": [{"request": {"body": {"string": ""}}, "response": response}]}).encode()


def cassette_yaml(stream: bytes) -> bytes:
    text = base64.encodebytes(stream).decode().replace("\n", "\n        ")
    head = (
        "interactions:\n- request:\n    body: null\n    method: GET\n  response:\n    body:\n      string: !!binary |\n"
    )
    tail = "\n    headers:\n      Content-Type:\n      - application/vnd.amazon.eventstream\nversion: 1\n"
    return (head + "        " + text.rstrip() + tail).encode()


def flow(stream: bytes) -> bytes:
    headers = [[b"Content-Type", b"application/vnd.amazon.eventstream"]]
    other = {"type": "http", "request": {"content": b"", "headers": []}, "response": None}
    return dumped(other) + dumped({"type": "http", "response": {"content": stream, "headers": headers}})


FORMS = {
    "raw": lambda stream: stream,
    "gzip": gzip.compress,
    "gzip of two members": lambda stream: gzip.compress(stream[:50]) + gzip.compress(stream[50:]),
    "base64": base64.b64encode,
    "base64 in lines": base64.encodebytes,
    "base64 for URLs": base64.urlsafe_b64encode,
    "base64 without padding": lambda stream: base64.b64encode(stream).rstrip(b"="),
    "base64 of gzip": lambda stream: base64.b64encode(gzip.compress(stream)),
    "hex": lambda stream: stream.hex().encode(),
    "hex in lines": lambda stream: stream.hex(" ", 16).replace(" ", "\n").upper().encode(),
    "curl": lambda stream: HEAD + stream,
    "curl with two heads": lambda stream: b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + stream,
    "curl of gzip": lambda stream: HEAD.replace(b"\r\n", b"\n") + gzip.compress(stream),
    "har": har,
    "har of gzip": lambda stream: har(gzip.compress(stream)),
    "vcr in JSON": cassette_json,
    "vcr in YAML": cassette_yaml,
    "mitmproxy": flow,
}


def read(path, form=None):
    """Return what is in a file: the recordings, and the wire forms or gaps in each."""
    with opened(str(path), form) as recordings:
        return [(recording, list(recording.parts(LIMITS))) for recording in recordings]


NAMED_PIPES = pytest.mark.skipif(not Path("/dev/fd").exists(), reason="pipes have no names here")


@pytest.fixture(params=["a file", pytest.param("a pipe", marks=NAMED_PIPES)])
def written(request, tmp_path):
    """Give what writes bytes where they can be read from, by name."""

    def write(data):
        path = tmp_path / "input"
        if request.param == "a file":
            path.write_bytes(data)
            return str(path)
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        assert os.write(writing, data) == len(data)
        os.close(writing)
        request.addfinalizer(lambda: os.close(reading))
        return f"/dev/fd/{reading}"

    return write


@pytest.mark.parametrize("form", FORMS)
def test_form_is_recognised(written, form):
    ((recording, parts),) = read(written(FORMS[form](STREAM)))
    assert b"".join(part.encode() for part in parts) == STREAM
    if form.startswith(("curl", "har", "vcr", "mitmproxy")):
        assert recording.headers["content-type"] == "application/vnd.amazon.eventstream"
    if form.startswith(("har", "vcr", "mitmproxy")):
        assert recording.name.partition("#")[2] in ("1 response", "2 response")


@pytest.mark.parametrize("form", [form for form in FORMS if " " not in form])
def test_form_can_be_named(tmp_path, form):
    (tmp_path / "x").write_bytes(FORMS[form](STREAM))
    ((_, parts),) = read(tmp_path / "x", form)
    assert b"".join(part.encode() for part in parts) == STREAM


def test_forms_can_be_named():
    assert {form.split()[0] for form in FORMS} == set(_inputs.FORMS)


@pytest.mark.parametrize("form", FORMS)
def test_damaged_stream_in_any_form(written, form):
    damaged = bytearray(STREAM)
    damaged[len(frames.EVENT_FRAME) + 20] ^= 1
    ((_, (first, gap, last)),) = read(written(FORMS[form](bytes(damaged))))
    assert (first.encode(), last.encode()) == (frames.EVENT_FRAME, frames.TAIL_FRAME)
    assert (gap.offset, gap.length) == (len(frames.EVENT_FRAME), len(frames.TEN_FRAME))
    assert gap.error.offset == len(frames.EVENT_FRAME)
    assert str(gap.error).endswith(f"(at byte {len(frames.EVENT_FRAME)})")


@pytest.mark.parametrize("held", [7 + 2 * len(STREAM), 8 + 2 * len(STREAM)], ids=["mapped", "held"])
def test_damaged_file_is_held_or_mapped(tmp_path, monkeypatch, held):
    """What follows the fault is held where it is small enough."""
    monkeypatch.setattr(_recording, "_MAX_HELD", held)
    (tmp_path / "x").write_bytes(STREAM + b"junkjunk" + STREAM * 2)
    with opened(str(tmp_path / "x"), None) as recordings:
        recording = next(recordings)
        whole, part, read = recording.body.whole, recording.body.part, []
        recording.body.part = lambda start, end: read.append((start, end)) or part(start, end)
        first, gap, last = joined(recording.parts(LIMITS))
        assert (first, last) == ((3, STREAM), (6, STREAM * 2))
        assert gap[:2] == (len(STREAM), 8)
    assert ((len(STREAM), len(whole)) in read) is (held > 7 + 2 * len(STREAM))


def test_first_message_damaged_is_a_stream_still(written):
    ((_, (gap, *rest)),) = read(written(b"?" + STREAM[1:]))
    assert isinstance(gap, Gap)
    assert [part.encode() for part in rest] == [frames.TEN_FRAME, frames.TAIL_FRAME]


@pytest.mark.parametrize("length", range(13))
def test_few_bytes_are_a_cut_stream(written, length):
    ((_, parts),) = read(written(STREAM[:length]))
    assert [type(part.error) for part in parts] == [TruncatedMessage] * bool(length)


def joined(parts):
    """Return the parts of a stream as gaps and, of messages that follow one another, their number and bytes."""
    found = []
    for part in parts:
        if isinstance(part, Gap):
            found.append((part.offset, part.length, type(part.error), str(part.error), len(part.nested)))
            continue
        is_stretch = isinstance(part, Stretch)
        messages, wire = (part.messages, b"".join(part.pieces)) if is_stretch else (1, part.encode())
        if not messages and not wire:
            continue
        if found and len(found[-1]) == 2:
            messages, wire = found[-1][0] + messages, found.pop()[1] + wire
        found.append((messages, wire))
    return found


def same_in_stretches(path):
    with opened(str(path), None) as one, opened(str(path), None) as other:
        for left, right in zip(one, other, strict=True):
            assert joined(left.stretches(LIMITS)) == joined(right.parts(LIMITS))
            assert left.done == right.done


DAMAGES = {
    "sound": lambda data: data,
    "cut": lambda data: data[:-1],
    "changed": lambda data: data[:300] + bytes([data[300] ^ 1]) + data[301:],
    "changed prelude": lambda data: data[:131] + bytes([data[131] ^ 1]) + data[132:],
    "junk": lambda data: data[:130] + b"junk" + data[130:] + b"junk",
    "lost": lambda data: data[:200] + data[900:],
    "two faults": lambda data: data[:1000] + data[1010:2000] + data[2007:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("form", ["raw", "gzip", "hex", "har"])
def test_stretches_are_the_bytes_of_the_messages(tmp_path, monkeypatch, form, damage):
    nested = frames.frame(frames.EVENT_BLOCK, STREAM)
    (tmp_path / "x").write_bytes(
        FORMS[form](damage(STREAM + nested + STREAM + frames.frame(payload=bytes(700)) + STREAM))
    )
    for piece in (5, 100, 1000, 1 << 18):
        monkeypatch.setattr(_recording, "PIECE", piece)
        with case(piece):
            same_in_stretches(tmp_path / "x")


@given(st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 300), st.binary(max_size=20)), max_size=4))
def test_stretches_of_mutated_streams(edits):
    data = STREAM * 3
    for start, removed, added in edits:
        data = data[:start] + added + data[start + removed :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(frames.EMPTY_FRAME + data)
        same_in_stretches(path)


@pytest.mark.parametrize("form", ["raw", "gzip"])
def test_stretches_are_as_large_as_what_is_read(tmp_path, form):
    count = 2000
    (tmp_path / "x").write_bytes(FORMS[form](frames.frame(payload=bytes(1000)) * count))
    for fault in (b"", b"junk"):
        if form == "raw":
            (tmp_path / "x").write_bytes(fault + frames.frame(payload=bytes(1000)) * count)
        with opened(str(tmp_path / "x"), None) as recordings:
            found = [part for part in next(recordings).stretches(LIMITS) if isinstance(part, Stretch)]
        assert sum(part.messages for part in found) == count
        sizes = [len(piece) for part in found for piece in part.pieces]
        assert len(sizes) == -(-1016 * count // _recording.PIECE)
        assert fault or {*sizes[:-1]} == {_recording.PIECE}


def test_reading_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(_recording, "PIECE", 200)
    lengths = [1, len(frames.EVENT_FRAME), len(frames.TEN_FRAME), len(frames.TAIL_FRAME)]
    for data, expected in ((STREAM, [200, len(STREAM)]), (b"?" + STREAM, list(itertools.accumulate(lengths)))):
        path = tmp_path / "x"
        path.write_bytes(data)
        for read_all in (Recording.parts, Recording.stretches):
            told = []
            with opened(str(path), None) as recordings:
                recording = next(recordings)
                recording.tell = lambda *what, told=told: told.append(what)
                list(read_all(recording, LIMITS))
            assert {(name, size) for name, _, size in told} == {(str(path), len(data))}
            assert [done for _, done, _ in told] == expected


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"just some text", "it begins with text"),
        (gzip.compress(STREAM, mtime=0), "--follow takes a raw stream, and this file's form is gzip"),
        (base64.b64encode(STREAM), "--follow takes a raw stream, and this file's form is base64"),
    ],
)
def test_files_that_cannot_be_followed(tmp_path, data, reason):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(UnusableInput, match=reason), opened(str(tmp_path / "x"), None, follow=True) as recordings:
        next(recordings)


def test_file_that_is_cut_while_it_is_followed(tmp_path, monkeypatch):
    monkeypatch.setattr(_inputs, "_POLL_SECONDS", 0)
    path = tmp_path / "x"
    path.write_bytes(STREAM)
    with opened(str(path), None, follow=True) as recordings:
        parts = next(recordings).parts(LIMITS)
        assert joined([next(parts), next(parts), next(parts)]) == [(3, STREAM)]
        path.write_bytes(b"")
        with pytest.raises(UnusableInput, match="it shrank to 0 bytes after more had been read"):
            next(parts)


CUT = """
import os, sys
from eventstream.cli._inputs import opened
from eventstream.cli._recording import UnusableInput

with opened(sys.argv[1], None) as recordings:
    parts = next(recordings).parts({"max_headers_length": None, "max_payload_length": None})
    next(parts)
    os.truncate(sys.argv[1], 5)
    try:
        list(parts)
    except UnusableInput as error:
        print(error)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows does not cut files that are mapped")
@pytest.mark.parametrize("begin", [b"", frames.EVENT_FRAME + b"junk"], ids=["sound", "damaged"])
def test_file_that_is_cut_while_it_is_read(tmp_path, begin):
    """Touching a mapping behind the end of its file kills a process, here another one than that of the tests."""
    (tmp_path / "x").write_bytes(begin + STREAM * (2 * _recording.PIECE // len(STREAM)))
    done = finished(CUT, "x", cwd=tmp_path)
    assert (done.stdout, done.returncode) == ("x: it shrank to 5 bytes while it was read\n", 0)


def test_file_that_is_emptied_while_it_is_opened(tmp_path, monkeypatch):
    """It is read as one that was empty before."""
    path = tmp_path / "x"
    path.write_bytes(STREAM)
    status = path.stat()
    path.write_bytes(b"")
    monkeypatch.setattr(_inputs.os, "fstat", lambda _: status)
    with opened(str(path), None) as recordings:
        assert list(next(recordings).parts(LIMITS)) == []


def test_file_system_that_gives_less_than_is_there(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(STREAM)
    read = _inputs._read
    monkeypatch.setattr(_inputs, "_read", lambda reader, name, size: read(reader, name, min(size, 7)))
    with opened(str(path), None) as recordings:
        assert joined(next(recordings).parts(LIMITS)) == [(3, STREAM)]


def test_file_that_cannot_be_mapped_is_read(tmp_path, monkeypatch):
    def mapped(*_, **__):
        raise OSError(19, "No such device")

    monkeypatch.setattr(_inputs, "mmap", SimpleNamespace(mmap=mapped, ACCESS_READ=1))
    path = tmp_path / "x"
    path.write_bytes(STREAM)
    with opened(str(path), None) as recordings:
        assert joined(next(recordings).parts(LIMITS)) == [(3, STREAM)]


@NAMED_PIPES
def test_pipe_is_read_message_by_message(tmp_path):
    reading, writing = os.pipe()
    try:
        os.write(writing, frames.EVENT_FRAME)
        with opened(f"/dev/fd/{reading}", None) as recordings:
            parts = next(recordings).parts(LIMITS)
            assert next(parts).encode() == frames.EVENT_FRAME
            os.write(writing, frames.TAIL_FRAME)
            assert next(parts).encode() == frames.TAIL_FRAME
            os.close(writing)
            assert list(parts) == []
    finally:
        os.close(reading)


def test_memory_does_not_grow_with_a_compressed_stream(tmp_path):
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(frames.frame(payload=bytes(1000)) * 20_000, 1))
    tracemalloc.start()
    try:
        with opened(str(path), None) as recordings:
            assert sum(1 for recording in recordings for _ in recording.parts(LIMITS)) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("data", "form", "reason"),
    [
        (b"<html><body>Not found</body></html>", None, "it begins with XML|it begins with HTML"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", None, "it begins with the bytes 89 50 4e 47"),
        (b'{"message": "Forbidden"}', None, "it begins with JSON"),
        (b"RIFF\x24\0\0\0WAVEfmt ", None, "it is a WAV file: `eventstream transcribe` takes it$"),
        (b"RIFF\x24\0\0\0AVI LIST", None, "it begins with the bytes 52 49 46 46"),
        (b"HTTP/1.1 200 OK\r\nA: b", None, "the HTTP headers do not end"),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>not one</html>", None, "it begins with HTML"),
        (gzip.compress(b"some other text", mtime=0), None, "it begins with text: 'some other text'"),
        (b"\x1f\x8b" + b"?" * 20, None, "damaged gzip"),
        (base64.b64encode(STREAM) + b"?", None, "damaged base64"),
        (STREAM.hex().encode() + b"x", None, "damaged hex; xxd -r makes the bytes of a dump that also has addresses$"),
        (b'{"log": {"entries": []}}', None, "none of the 0 bodies"),
        (b'{"log": {"entries": 1}}', None, "it has no list of entries"),
        (b'{"log": {"entries": [', None, "not a valid har file"),
        (b'{"log": [' + b"[" * 200_000, None, "nested too deeply|not a valid har"),
        (b"interactions:\n- a: [", None, "not a valid vcr file"),
        (b"5:4:abc;}", None, "not a valid mitmproxy file|none of the"),
        (b"", "har", "not a valid har file"),
        (b"# hi\n", None, "it begins with text: '# hi"),
        (b"{}", None, "it begins with JSON: '{}'"),
    ],
)
def test_unusable_inputs(tmp_path, data, form, reason):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(UnusableInput, match=reason):
        read(tmp_path / "x", form)


_ODD = [
    b"[",
    b"{",
    b'"',
    b"\0",
    b"\xff",
    b"9" * 30,
    b"-",
    b"*a",
    b"&a ",
    b"!!binary ",
    b"\n",
    b":",
    b"interactions:",
    b"}",
]


@given(
    st.sampled_from(sorted(FORMS)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), st.binary(max_size=4) | st.sampled_from(_ODD)), max_size=4),
)
def test_mutated_files_are_read_or_refused(form, edits):
    """Nothing else is raised."""
    data = FORMS[form](STREAM)
    for place, removed, added in edits:
        start = int(place * len(data))
        data = data[:start] + added + data[start + removed :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(data)
        with contextlib.suppress(UnusableInput):
            found = read(path)
            assert edits or len(found) == 1


# Compressed and shared beyond measure


def test_damaged_stream_does_not_fill_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(_recording, "_MAX_STORED", 1 << 20)
    path = tmp_path / "x"
    for zeros, is_bounded in ((1 << 19, True), (2 << 20, False)):
        path.write_bytes(gzip.compress(STREAM + bytes(zeros)))
        with contextlib.nullcontext() if is_bounded else pytest.raises(UnusableInput, match="follow its first fault"):
            ((_, parts),) = read(path)
            assert b"".join(part.encode() for part in parts[:3]) == STREAM
    path.write_bytes(STREAM + bytes(2 << 20))
    assert len(read(path)[0][1]) == 4


def test_compressed_file_of_bodies_is_bounded(tmp_path, monkeypatch):
    """It is read whole; a stream is not."""
    monkeypatch.setattr(_containers, "MAX_UNPACKED", 5 << 20)
    monkeypatch.setattr(_inputs, "_MEBIBYTE", 1 << 20)
    (tmp_path / "x").write_bytes(gzip.compress(har(STREAM) + b" " * (6 << 20)))
    tracemalloc.start()
    try:
        with pytest.raises(UnusableInput, match="over 5 MiB when unpacked: unpack it first"):
            read(tmp_path / "x")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    (tmp_path / "x").write_bytes(gzip.compress(har(STREAM) + b" " * (3 << 20)))
    ((_, parts),) = read(tmp_path / "x")
    assert b"".join(part.encode() for part in parts) == STREAM


@pytest.mark.parametrize(
    ("item", "where"),
    [
        ("[{}]", "body: {{base64_string: {}}}"),
        ("[{}]", "body: x, headers: {{content-type: [{}]}}"),
        ("{{<<: [{}]}}", "body: {}"),
    ],
    ids=["a body", "a header", "merged mappings"],
)
def test_aliases_of_a_cassette_take_no_memory(tmp_path, item, where):
    lines = ["a: &a {k: vvvvvvvvvvvvvvvv}"]
    for before, name in zip("abcdef", "bcdefz", strict=True):
        lines.append(f"{name}: &{name} {item.format(','.join([f'*{before}'] * 10))}")
    (tmp_path / "x").write_text("\n".join([*lines, f"interactions: [{{response: {{{where.format('*z')}}}}}]"]))
    tracemalloc.start()
    try:
        with pytest.raises(UnusableInput, match=r"none of the \d bodies"):
            read(tmp_path / "x", "vcr")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("content", [{"size": 100}, {"text": ""}], ids=["absent", "empty"])
def test_har_without_the_body_of_its_event_stream(tmp_path, content):
    headers = [{"name": "Content-Type", "value": "application/vnd.amazon.eventstream"}]
    entries = [
        {"response": {"headers": [], "content": {"text": "{}"}}},
        {"response": {"headers": headers, "content": content}},
        {"response": {"headers": []}},
    ]
    (tmp_path / "x").write_text(json.dumps({"log": {"entries": entries}}))
    with pytest.raises(UnusableInput, match=r"/x#2 response: the body of this event stream is not recorded$"):
        read(tmp_path / "x")


def test_aliases_of_interactions_are_bounded(tmp_path):
    text = "interactions: [&a {response: {body: {string: %s}}}%s]"
    (tmp_path / "x").write_text(text % ("x" * (1 << 20), ", *a" * 63))
    with pytest.raises(UnusableInput, match="none of the 64 bodies"):
        read(tmp_path / "x", "vcr")
    (tmp_path / "x").write_text(text % ("x" * (1 << 20), ", *a" * 64))
    with pytest.raises(UnusableInput, match="aliases expand to over 64 MiB"):
        read(tmp_path / "x", "vcr")


@pytest.mark.parametrize("text", ["- a: " + "[" * 200_000, "- &a [*a]", "- ? {a: b}\n  : c", "- *a", "- !!binary [{}]"])
def test_cassette_that_is_not_sound(tmp_path, text):
    (tmp_path / "x").write_text(f"interactions:\n{text}")
    with pytest.raises(UnusableInput, match=r"not a valid vcr file|none of the 0 bodies"):
        read(tmp_path / "x")


@each("head", [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\n\n" * 5_000])
@each("size", [1, 7, 1 << 18])
def test_heads_of_curl_in_any_pieces(head, size):
    if size == 1:
        head = head[:100]
    data = head + HEAD + STREAM
    pieces = (data[start : start + size] for start in range(0, len(data), size))
    recording = _inputs._response_of_curl(Body(pieces), "x")
    assert recording.headers["x-id"] == "7"
    assert recording.body.read() == STREAM


def test_layers_are_bounded(tmp_path):
    data = STREAM
    for _ in range(8):
        data = gzip.compress(data)
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(UnusableInput, match="more than 4 layers"):
        read(tmp_path / "x")


def test_gzip_that_is_cut_gives_what_it_has(tmp_path, capsys):
    data = gzip.compress(STREAM + os.urandom(1000), 0)
    (tmp_path / "x").write_bytes(data[: len(STREAM) + 20])
    ((_, parts),) = read(tmp_path / "x")
    assert [part.encode() for part in parts if not isinstance(part, Gap)][:2] == [frames.EVENT_FRAME, frames.TEN_FRAME]
    assert "the gzip file is cut" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("form", "data"), [("base64", base64.b64encode(STREAM + b"\0" * 3)), ("hex", STREAM.hex().encode() + b"000000")]
)
def test_digits_that_are_cut_give_what_they_have(tmp_path, capsys, form, data):
    data = data.rstrip(b"=")
    for cut in range(4):
        (tmp_path / "x").write_bytes(data[: len(data) - cut])
        ((_, parts),) = read(tmp_path / "x")
        assert [part.encode() for part in parts[:3]] == [frames.EVENT_FRAME, frames.TEN_FRAME, frames.TAIL_FRAME]
        size = 4 if form == "base64" else 2
        is_odd = (len(data) - cut) % size == 1
        assert (f"the {form} is cut" in capsys.readouterr().err) == is_odd


def test_gzip_that_lacks_only_its_checksum_gives_all(tmp_path, capsys):
    """Its last bytes inflate to more than a piece."""
    message = frames.frame(payload=bytes(3 << 20))
    (tmp_path / "x").write_bytes(gzip.compress(message)[:-8])
    assert wires(read(tmp_path / "x")) == [message]
    assert "the gzip file is cut" in capsys.readouterr().err


def test_folder_gives_its_files_in_order(tmp_path):
    for name in ("b/2", "a/1", "3"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(STREAM)
    found = list(_inputs.paths([str(tmp_path)]))
    assert found == [(str(tmp_path / name), True) for name in ("3", "a/1", "b/2")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_folder_gives_no_pipes(tmp_path):
    """Nobody may ever write to one."""
    os.mkfifo(tmp_path / "pipe")
    os.symlink(tmp_path / "pipe", tmp_path / "link")
    os.symlink(tmp_path / "nowhere", tmp_path / "gone")
    (tmp_path / "file").write_bytes(STREAM)
    assert [os.path.basename(path) for path, _ in _inputs.paths([str(tmp_path)])] == ["file", "gone"]
    assert list(_inputs.paths([str(tmp_path / "pipe")])) == [(str(tmp_path / "pipe"), False)]


def test_folder_without_a_file(tmp_path):
    """A check of it must not pass, as if the recordings that are missing were sound."""
    (tmp_path / "deeper").mkdir()
    ((problem, is_found),) = _inputs.paths([str(tmp_path)])
    assert str(problem) == f"{tmp_path}: contains no file"
    assert is_found
    assert _options.each([str(tmp_path)], None, lambda _: True) == _options.TROUBLE


def test_glob_finds_a_link_that_is_called_like_it(tmp_path):
    os.symlink(tmp_path / "nowhere", tmp_path / "x*")
    assert list(_inputs.paths([str(tmp_path / "x*")])) == [(str(tmp_path / "x*"), False)]


def test_glob_that_no_shell_has_expanded(tmp_path):
    (tmp_path / "a.bin").write_bytes(STREAM)
    (tmp_path / "b[1].bin").write_bytes(STREAM)
    assert list(_inputs.paths([str(tmp_path / "*.bin")])) == [(str(tmp_path / n), False) for n in ("a.bin", "b[1].bin")]
    assert list(_inputs.paths([str(tmp_path / "b[1].bin")])) == [(str(tmp_path / "b[1].bin"), False)]
    ((problem, _),) = _inputs.paths([str(tmp_path / "*.flow")])
    assert isinstance(problem, UnusableInput)


RECURSIVE = {
    "**/*.bin": ["a.bin", "x/b.bin", "x/y/c.bin"],
    "x/**/*.bin": ["x/b.bin", "x/y/c.bin"],
    "./**/c*": ["./x/y/c.bin"],
    "*/**/y/c.bin": ["back/y/c.bin", "x/y/c.bin"],
    "back/**/b.bin": ["back/b.bin"],
    "**/y/**/*.bin": ["x/y/c.bin"],
    "**/**/c.bin": ["x/y/c.bin"],
    "x**/*.bin": ["x/b.bin"],
    "x/**": ["x/b.bin", "x/y/c.bin", "x/y/.hidden/d.bin"],
    "x/**/": ["x/b.bin", "x/y/c.bin", "x/y/.hidden/d.bin"],
    "**": ["./a.bin", "./x/b.bin", "./x/y/c.bin", "./x/y/.hidden/d.bin"],
}


@pytest.mark.parametrize("pattern", RECURSIVE)
def test_glob_of_folders_in_folders_follows_no_links(tmp_path, monkeypatch, pattern):
    """Two of them that lead back would give each file under more names than can ever be read."""
    monkeypatch.chdir(tmp_path)
    os.makedirs("x/y/.hidden")
    for name in ("a.bin", "x/b.bin", "x/y/c.bin", "x/y/.hidden/d.bin"):
        Path(name).write_bytes(STREAM)
    for name, target in {"back": "x", "x/here": ".", "x/y/up": ".."}.items():
        os.symlink(target, name, target_is_directory=True)
    assert [path for path, _ in _inputs.paths([pattern])] == RECURSIVE[pattern]


def test_folder_that_cannot_be_read(tmp_path, monkeypatch):
    (tmp_path / "good").write_bytes(STREAM)

    def walk(folder, onerror):
        onerror(PermissionError(13, "Permission denied", f"{folder}/closed"))
        yield folder, [], ["good"]

    monkeypatch.setattr(os, "walk", walk)
    (good, _), (problem, _) = _inputs.paths([str(tmp_path)])
    assert good == str(tmp_path / "good")
    assert str(problem) == f"{tmp_path}/closed: Permission denied"


def test_missing_file(tmp_path):
    with pytest.raises(UnusableInput, match="No such file"):
        read(tmp_path / "nothing")


# Standard input, and what is missing


class Source:
    """Standard input whose reads end in this."""

    def __init__(self, outcome):
        self.buffer = self
        self.outcome = outcome

    def fileno(self):
        raise OSError

    def read1(self, size):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    read = read1


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (None, "standard input is closed"),
        (Source(None), "-: it is non-blocking and has no data yet"),
        (Source(OSError(5, "Input/output error")), "-: Input/output error"),
    ],
)
def test_standard_input_that_fails(monkeypatch, source, reason):
    monkeypatch.setattr(sys, "stdin", source)
    with pytest.raises(UnusableInput, match=f"^{reason}$"):
        read("-")


def test_cassette_without_pyyaml(tmp_path, monkeypatch):
    (tmp_path / "x").write_bytes(cassette_yaml(STREAM))
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(UnusableInput, match="needs PyYAML"):
        read(tmp_path / "x")


def test_folder_that_was_removed_meanwhile(tmp_path, monkeypatch):
    (tmp_path / "x").mkdir()
    with pytest.raises(UnusableInput, match="Is a directory"):
        read(tmp_path / "x")


def wires(recordings):
    return [b"".join(part.encode() for part in parts) for _, parts in recordings]


@pytest.mark.parametrize("zeros", [700, 40_000])
def test_gzip_in_several_members(tmp_path, zeros):
    """One may be empty, and zeros follow the last, as on tapes."""
    path = tmp_path / "stream.gz"
    path.write_bytes(gzip.compress(STREAM[:50]) + gzip.compress(b"") + gzip.compress(STREAM[50:]) + bytes(zeros))
    assert wires(read(path)) == [STREAM]


def test_http_response_without_a_body(tmp_path):
    path = tmp_path / "response.txt"
    path.write_bytes(HEAD)
    assert wires(read(path)) == [b""]


def test_json_that_is_nested_too_deep(tmp_path):
    path = tmp_path / "session.har"
    path.write_bytes(b'{"log": {"entries": ' + b"[" * 200_000)
    with pytest.raises(UnusableInput, match="not a valid har file: it is nested too deeply"):
        read(path, "har")


def test_yaml_that_is_nested_too_deep(tmp_path, monkeypatch):
    """Some versions of the parser in C have a bound of their own; the one in Python has not."""
    path = tmp_path / "cassette.yaml"
    for depth in (1_500, 200_000):
        path.write_bytes(b"interactions:\n- a: " + b"[" * depth + b"]" * depth)
        with pytest.raises(UnusableInput, match=r"not a valid vcr file: (not YAML in line 2|it is nested too deeply)$"):
            read(path, "vcr")
    # Over many lines: in one line the parser in Python goes through all brackets for each.
    path.write_bytes(b"interactions:\n- a: " + b"[\n  " * 200_000 + b"]" * 200_000)
    monkeypatch.delattr("yaml.CBaseLoader", raising=False)
    with pytest.raises(UnusableInput, match=r"not a valid vcr file: it is nested too deeply$"):
        read(path, "vcr")


def test_headers_of_a_cassette_that_are_none(tmp_path):
    """They are left out; the body is read."""
    content = json.loads(cassette_json(STREAM))
    content["http_interactions"][0]["response"]["headers"] = ["odd", ["content-type"], 5]
    path = tmp_path / "cassette.json"
    path.write_text(json.dumps(content))
    assert wires(read(path, "vcr")) == [STREAM]
