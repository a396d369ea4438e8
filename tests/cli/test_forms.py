"""Which form a file has, by its first bytes. Every form is recognised in test_inputs."""

from __future__ import annotations

from cases import each

from eventstream.cli._forms import recognised


@each("head", [b"{}", b"[1]", b"plain text here", b"\xff" * 20, b"12:x", b"a" * 30, b"abc=" * 10])
def test_form_of_no_known_kind(head):
    assert recognised(head) is None
