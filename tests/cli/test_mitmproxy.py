"""Flow files: every type of value, and what is cut, lies or is nested too deep."""

from __future__ import annotations

import pytest
from cases import each
from hypothesis import given
from hypothesis import strategies as st

from eventstream.cli._mitmproxy import flows


def dumped(value: object) -> bytes:
    """Return a value as a typed netstring."""
    if value is None:
        kind, raw = b"~", b""
    elif isinstance(value, bool):
        kind, raw = b"!", b"true" if value else b"false"
    elif isinstance(value, int):
        kind, raw = b"#", b"%d" % value
    elif isinstance(value, float):
        kind, raw = b"^", repr(value).encode()
    elif isinstance(value, bytes):
        kind, raw = b",", value
    elif isinstance(value, str):
        kind, raw = b";", value.encode()
    elif isinstance(value, (list, tuple)):
        kind, raw = b"]", b"".join(map(dumped, value))
    else:
        assert isinstance(value, dict)
        kind, raw = b"}", b"".join(dumped(key) + dumped(item) for key, item in value.items())
    return b"%d:%b%b" % (len(raw), raw, kind)


def test_flows_one_after_the_other():
    one = {"type": "http", "response": {"content": b"\0\xff", "headers": [[b"a", b"b"]], "code": 200, "time": 1.5}}
    assert list(flows(dumped(one) + dumped({"ok": True, "none": None}))) == [one, {"ok": True, "none": None}]
    assert list(flows(b"")) == []


def test_keys_may_be_bytes():
    assert list(flows(dumped({b"a": 1}))) == [{"a": 1}]


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.binary() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=10,
        ),
    )
)
def test_flows_of_any_value_come_back(flow):
    assert list(flows(dumped(flow))) == [flow]


@given(st.binary(max_size=60))
def test_bytes_are_flows_or_a_value_error(data):
    try:
        for flow in flows(data):
            assert isinstance(flow, dict)
    except ValueError:
        pass


@each(
    ("data", "reason"),
    [
        (b"x", "expected a length"),
        (b":", "expected a length"),
        (b"9999999999999:", "expected a length"),
        (b"5:abc", "the flow is cut: 3 bytes of 6"),
        (b"3:abc", "the flow is cut"),
        (dumped([1]), "a flow must be a dictionary"),
        (b"4:1:1#}", "not a dictionary"),
        (b"8:1:1#1:2#}", "not a dictionary"),
        (b"1:a}", "expected a length"),
        (b"8:1:a;1:x#}", "not a value of type '#'"),
        (b"8:1:a;1:x?}", r"not a value of type '\?'"),
        (b"8:1:a;1:x!}", "not a value of type '!'"),
        (b"8:1:a;1:x^}", "not a value of type"),
        (b"8:1:a;1:\xff;}", "not a value of type ';'"),
        (dumped({"a": int("9" * 19)}).replace(b"19:", b"20:9").replace(b"}", b"}"), "length was expected|not a|cut"),
    ],
)
def test_bytes_that_are_not_a_flow(data, reason):
    with pytest.raises(ValueError, match=reason):
        list(flows(data))


def test_nesting_is_bounded():
    value = []
    for _ in range(200):
        value = [value]
    with pytest.raises(ValueError, match="50 deep"):
        list(flows(dumped({"a": value})))


def test_inner_value_cannot_reach_beyond_its_outer_one():
    with pytest.raises(ValueError, match="cut"):
        list(flows(b"9:1:a;9:xxx}" + b"xxxxxxxx;"))
