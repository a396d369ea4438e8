"""Signatures of requests: published vectors, recorded clients, and everything that must be refused."""

from __future__ import annotations

import hashlib
import itertools
import re
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

import pytest
from cases import each
from signatures import (
    CREDENTIALS,
    EVENTS,
    NOON,
    REGION,
    SECOND,
    SECRET,
    SERVICE,
    SHOWS_NOON,
    at,
    signed,
)

from eventstream import (
    decode,
)
from eventstream.signing import (
    Credentials,
    DateSkew,
    EventVerifier,
    SignatureMismatch,
    VerificationError,
    presign_url,
    request_signature,
    requests,
    sign_request,
    verify_presigned,
    verify_request,
)

# AWS's test suite for Signature Version 4: https://github.com/awslabs/aws-c-auth/tree/main/tests/aws-signing-test-suite
REQUESTS = {
    "get-vanilla": ("GET", "/", (), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    "post-vanilla": ("POST", "/", (), "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    "get-vanilla-query-order-key-case": (
        *("GET", "/?Param2=value2&Param1=value1", ()),
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "get-vanilla-query-order-encoded": (
        *("GET", "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1", ()),
        "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
    ),
    "post-vanilla-query": (
        *("POST", "/?Param1=value1", ()),
        "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
    ),
    "get-utf8": ("GET", "/ሴ", (), "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
    "get-space-normalized": (
        *("GET", "/example space/", ()),
        "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
    ),
    "get-slashes-normalized": (
        *("GET", "//example//", ()),
        "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
    ),
    "get-slash-pointless-dot-normalized": (
        *("GET", "/./example", ()),
        "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5",
    ),
    "get-relative-relative-normalized": (
        *("GET", "/example1/example2/../..", ()),
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "get-header-key-duplicate": (
        *("GET", "/", (("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1"))),
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
    ),
    "get-header-value-trim": (
        *("GET", "/", (("My-Header1", " value1"), ("My-Header2", ' "a   b   c"'))),
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    "get-vanilla-with-session-token": (
        "GET",
        "/",
        (("X-Amz-Security-Token", "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"),),
        "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
    ),
    "post-x-www-form-urlencoded": (
        "POST",
        "/",
        (
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Content-Length", "13"),
            ("x-amz-content-sha256", hashlib.sha256(b"Param1=value1").hexdigest()),
        ),
        "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
    ),
}


@each("name", REQUESTS)
def test_signature_of_a_published_request(name):
    method, path, headers, signature = REQUESTS[name]
    sent = [("Host", "example.amazonaws.com"), *headers, ("X-Amz-Date", "20150830T123600Z")]
    assert request_signature(CREDENTIALS, "us-east-1", "service", method, path, sent).hex() == signature


@pytest.mark.parametrize("name", ["get-vanilla", "get-header-key-duplicate", "get-vanilla-with-session-token"])
def test_sign_request_adds_the_headers_of_a_published_request(name):
    method, path, headers, signature = REQUESTS[name]
    token = dict(headers).get("X-Amz-Security-Token")
    sent, seed = sign_request(
        Credentials("AKIDEXAMPLE", SECRET, token),
        *("us-east-1", "service", method, path),
        [("Host", "example.amazonaws.com"), *headers],
        clock=at(datetime(2015, 8, 30, 12, 36, tzinfo=timezone.utc)),
        payload_hash=None,
    )
    assert seed.hex() == signature
    assert dict(sent)["authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;"
    )
    assert dict(sent)["authorization"].endswith(f", Signature={signature}")


# Requests: to sign


HEADERS = [
    (":method", "POST"),
    (":authority", "localhost:8443"),
    (":path", "/stream-transcription"),
    ("content-type", "application/vnd.amazon.eventstream"),
    ("user-agent", "may be changed on the way"),
    ("x-amzn-transcribe-sample-rate", "16000"),
]


def signed_request(credentials=CREDENTIALS, headers=HEADERS, clock=SHOWS_NOON, path="/stream-transcription", **others):
    return sign_request(credentials, REGION, SERVICE, "POST", path, headers, clock=clock, **others)[0]


def verify(headers, credentials=CREDENTIALS, path="/stream-transcription", clock=SHOWS_NOON, method="POST", **others):
    region, service = others.pop("region", REGION), others.pop("service", SERVICE)
    return verify_request(credentials, region, service, method, path, headers, clock=clock, **others)


def replaced(headers, **values):
    values = {name.replace("_", "-"): value for name, value in values.items()}
    kept = [(name, values.get(name, value)) for name, value in headers]
    return [(name, value) for name, value in kept if value is not None]


def test_signed_request_carries_what_verifies_it():
    headers, seed = sign_request(CREDENTIALS, REGION, SERVICE, "POST", "/", HEADERS, clock=SHOWS_NOON)
    assert headers[: len(HEADERS)] == HEADERS
    added = dict(headers[len(HEADERS) :])
    assert list(added) == ["x-amz-date", "x-amz-content-sha256", "authorization"]
    assert added["x-amz-date"] == "20261122T120000Z"
    assert added["x-amz-content-sha256"] == "STREAMING-AWS4-HMAC-SHA256-EVENTS"
    assert re.fullmatch(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/us-east-1/transcribe/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amzn-transcribe-sample-rate, "
        f"Signature={seed.hex()}",
        added["authorization"],
    )
    assert verify(headers, path="/").signature == seed


def test_request_can_be_signed_again():
    once = signed_request()
    later = signed_request(headers=once, clock=at(NOON + SECOND))
    assert [name for name, _ in later] == [name for name, _ in once]
    assert verify(later).signature != verify(once).signature


def test_clock_in_another_time_zone_shows_the_same_moment():
    assert signed_request(clock=at(NOON.astimezone(timezone(timedelta(hours=13))))) == signed_request()


def test_session_token_is_sent_signed_and_compared():
    temporary = Credentials("AKIDEXAMPLE", SECRET, "token")
    headers = signed_request(temporary)
    assert ("x-amz-security-token", "token") in headers
    assert "x-amz-security-token" in dict(headers)["authorization"]
    assert verify(headers, temporary).credentials is temporary
    for other in (CREDENTIALS, Credentials("AKIDEXAMPLE", SECRET, "expired")):
        with pytest.raises(VerificationError, match=r"\bits session token is not that of the access key$"):
            verify(headers, other)
    with pytest.raises(VerificationError, match="session token"):
        verify(signed_request(), temporary)


def test_credentials_are_one_account_or_many_or_asked_for():
    headers = signed_request()
    ask = lambda: CREDENTIALS  # noqa: E731
    for known in (CREDENTIALS, ask, {"AKIDEXAMPLE": CREDENTIALS}, {"AKIDEXAMPLE": ask, "other": CREDENTIALS}):
        request = verify(headers, known)
        assert request.credentials in (CREDENTIALS, ask)
        by = EventVerifier(*request, clock=SHOWS_NOON)
        assert by.verify(signed(seed=request.signature)[0]) == decode(EVENTS[0])


def test_host_and_authority_must_be_the_same():
    """Only one of them is signed: whoever adds the other must not say where it goes."""
    with pytest.raises(VerificationError, match=r"\bits host differs from its :authority$"):
        verify([("host", "localhost:8443"), *replaced(signed_request(), **{":authority": "elsewhere"})])
    assert verify([("host", "localhost:8443"), *signed_request()])
    both = [(":authority", "localhost:8443"), ("Host", "elsewhere")]
    with pytest.raises(ValueError, match=r"^host and :authority differ: "):
        sign_request(CREDENTIALS, REGION, SERVICE, "POST", "/", both)
    assert sign_request(CREDENTIALS, REGION, SERVICE, "POST", "/", [both[0], ("Host", " LocalHost:8443")])
    with pytest.raises(ValueError, match=r"^the header 'host' is missing$"):
        sign_request(CREDENTIALS, REGION, SERVICE, "POST", "/", [("x", "y")])


@pytest.mark.parametrize("name", [" x-amz-target", "x-amz-target ", "X-Amzn-Target"])
def test_added_headers_are_signed_in_any_spelling(name):
    with pytest.raises(VerificationError, match="is not signed"):
        verify([*signed_request(), (name, "elsewhere")])
    assert verify([*signed_request(), ("x-amzn-trace-id", "Root=1")])


def test_host_and_authority_stand_for_each_other():
    plain = [("host", "localhost:8443"), *HEADERS[3:]]
    assert verify([*replaced(signed_request(), **{":authority": None}), ("Host", "localhost:8443")])
    assert verify([*signed_request(headers=plain)[1:], (":authority", "localhost:8443")])
    signatures = {
        request_signature(CREDENTIALS, REGION, SERVICE, "POST", "/", [host, date], signed_headers=[":authority"])
        for host in (("host", "localhost:8443"), (":authority", "localhost:8443"))
        for date in [("x-amz-date", "20261122T120000Z")]
    }
    assert len(signatures) == 1
    with pytest.raises(SignatureMismatch):
        verify(replaced(signed_request(), **{":authority": "elsewhere"}))
    with pytest.raises(ValueError, match="host"):
        signed_request(headers=HEADERS[2:])


@pytest.mark.parametrize("path", ["/stream-transcription?", "//stream-transcription", "/./stream-transcription"])
def test_paths_that_mean_the_same_have_one_signature(path):
    assert verify(signed_request(path=path))
    assert verify(signed_request(), path=path)


@each(
    ("path", "canonical"),
    [
        ("", ("/", "")),
        ("/..", ("/", "")),
        ("/a/b/../c/", ("/a/c/", "")),
        ("/a/.", ("/a/", "")),
        ("/a/b/..", ("/a/", "")),
        ("/-_.~!", ("/-_.~%21", "")),
        ("/model/a%3A0/invoke", ("/model/a%253A0/invoke", "")),
        ("/?b=2&a=1&a=0&c&&d=", ("/", "a=0&a=1&b=2&c=&d=")),
        ("/?q=a%20b+c/~", ("/", "q=a%20b%2Bc%2F~")),
        ("/\udcff?\udcff", ("/%ED%B3%BF", "%ED%B3%BF=")),
    ],
)
def test_canonical_form_of_a_path(path, canonical):
    assert requests._canonical_target(path) == canonical


# Requests: to refuse


def test_changes_to_a_request_are_found():
    headers = signed_request()
    for fault in (
        lambda: verify(headers, method="GET"),
        lambda: verify(headers, path="/other"),
        lambda: verify(headers, path="/stream-transcription?a=1"),
        lambda: verify(replaced(headers, x_amzn_transcribe_sample_rate="8000")),
        lambda: verify(replaced(headers, x_amz_content_sha256="UNSIGNED-PAYLOAD")),
        lambda: verify(replaced(headers, x_amz_date="20261122T120001Z")),
        lambda: verify([*headers, ("content-type", "twice")]),
        lambda: verify(headers, Credentials("AKIDEXAMPLE", "other")),
    ):
        with pytest.raises(SignatureMismatch, match=r"\bits signature does not match$") as raised:
            fault()
        assert raised.value.index is None
    assert verify(replaced(headers, user_agent="changed on the way"))
    assert verify([*headers, ("x-amzn-trace-id", "added on the way")])


@each(
    "authorization",
    [
        None,
        "",
        "Bearer token",
        "AWS4-HMAC-SHA512 Credential=A/20261122/r/s/aws4_request, SignedHeaders=host, Signature=" + "0" * 64,
        "AWS4-HMAC-SHA256 Credential=A/20261122/r/s/aws4_request, SignedHeaders=host, Signature=" + "0" * 63,
        "AWS4-HMAC-SHA256 Credential=A/20261122/r/aws4_request, SignedHeaders=host, Signature=" + "0" * 64,
        "AWS4-HMAC-SHA256 Credential=A/2026112\u0662/r/s/aws4_request, SignedHeaders=host, Signature=" + "0" * 64,
    ],
)
def test_authorization_header_must_be_valid(authorization):
    with pytest.raises(
        VerificationError, match=r"\bit has no valid authorization header \(AWS4-HMAC-SHA256\)$"
    ) as raised:
        verify(replaced(signed_request(), authorization=authorization))
    assert raised.value.index is None


def test_authorization_headers_that_are_two_are_none():
    headers = signed_request()
    with pytest.raises(VerificationError, match="authorization"):
        verify([*headers, headers[-1]])


def test_unsigned_mandatory_headers_are_refused():
    def claim(old, new):
        headers = signed_request()
        return replaced(headers, authorization=dict(headers)["authorization"].replace(old, new))

    for headers, reason in (
        (claim(";host;", ";"), r"\bits host is not signed$"),
        (claim(";x-amzn-transcribe-sample-rate", ""), "'x-amzn-transcribe-sample-rate' is not signed"),
        (claim(";x-amz-date", ""), "'x-amz-date' is not signed"),
        (claim("content-type;", "content-length;content-type;"), "'content-length' is missing"),
        ([*signed_request(), ("X-Amz-Added", "1")], "'x-amz-added' is not signed"),
        (replaced(signed_request(), x_amz_date=None), "'x-amz-date' is missing"),
    ):
        with pytest.raises(VerificationError, match=reason):
            verify(headers)


@pytest.mark.parametrize(
    "date", ["2026-11-22T12:00:00Z", "20261322T120000Z", "20261122T120000", "", "20261122T12000\u0660Z"]
)
def test_date_that_is_none_is_refused(date):
    with pytest.raises(VerificationError, match="x-amz-date"):
        verify(replaced(signed_request(), x_amz_date=date))


def test_credentials_day_must_be_the_dates():
    with pytest.raises(VerificationError, match=r"\bthe day of its credential differs from that of its date$"):
        verify(replaced(signed_request(), x_amz_date="20261123T120000Z"))


@pytest.mark.parametrize("skew", [-301, 301])
def test_request_outside_the_window_is_refused(skew):
    headers = signed_request()
    date = NOON.replace(microsecond=0)  # a request's date has whole seconds
    with pytest.raises(DateSkew) as raised:
        verify(headers, clock=at(date - skew * SECOND))
    assert raised.value.index is None
    assert raised.value.skew == skew * SECOND
    side = "ahead of" if skew > 0 else "behind"
    assert str(raised.value).endswith(f"its date is 301.000 s {side} the clock; 300 s are allowed")
    assert verify(headers, clock=at(date - skew // 301 * 300 * SECOND))
    assert verify(headers, clock=at(NOON - skew * SECOND), max_clock_skew=None)
    assert verify(headers, clock=at(NOON - skew * SECOND), max_clock_skew=timedelta(hours=1))


def test_scope_or_access_key_of_another_is_refused():
    headers = signed_request()
    with pytest.raises(VerificationError, match="region 'us-east-1', not 'eu-west-1'"):
        verify(headers, region="eu-west-1")
    with pytest.raises(VerificationError, match="service 'transcribe', not 'lex'"):
        verify(headers, service="lex")
    nobody = lambda: None  # noqa: E731
    for known in ({}, {"AKIDOTHER": CREDENTIALS}, {"AKIDEXAMPLE": nobody}, nobody, Credentials("AKIDOTHER", SECRET)):
        with pytest.raises(VerificationError, match="access key 'AKIDEXAMPLE' is unknown"):
            verify(headers, known)
    assert verify(headers, region=None, service=None).region == REGION


def test_error_quotes_at_most_64_bytes_of_the_request():
    long = "A" * 10_000
    headers = signed_request(Credentials(long, SECRET))
    with pytest.raises(VerificationError) as raised:
        verify(headers)
    assert len(str(raised.value)) < 200


def test_verifier_survives_any_text_of_a_request():
    odd = "\ud800\udcff\x00é"
    for headers in (
        [*signed_request(), ("odd", odd)],
        replaced(signed_request(), content_type=odd),
        replaced(signed_request(), authorization=odd),
        replaced(signed_request(), x_amz_date=odd),
        signed_request(Credentials(odd.strip(), SECRET)),
    ):
        for path in ("/", odd):
            with pytest.raises(VerificationError):
                verify(headers, path=path, method=odd)


def test_other_objects_are_a_type_error():
    verifier = EventVerifier(Credentials("AKIDEXAMPLE", "secret"), "us-east-1", "transcribe", bytes(32))
    with pytest.raises(TypeError, match=r"^expected a Message, not bytes: decode the bytes first$"):
        verifier.verify(b"bytes")


# What other signers say


TARGET = "https://localhost:8443/stream-transcription"


def of_botocore(name, value):
    """Return the authorization and the date of a request with this header, as botocore signs it."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as Keys

    request = AWSRequest("POST", TARGET, headers={"X-Amz-Date": "20261122T120000Z", name: value})
    request.context["timestamp"] = "20261122T120000Z"
    signer = SigV4Auth(Keys("AKIDEXAMPLE", SECRET), SERVICE, REGION)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))
    return request.headers["Authorization"], "20261122T120000Z"


def of_aws_sdk_signers(name, value):
    """Return the authorization and the date as the signer of AWS's new SDK makes them."""
    signers = pytest.importorskip("aws_sdk_signers", reason="aws-sdk-signers needs Python 3.12")
    request = signers.AWSRequest(
        destination=signers.URI(scheme="https", host="localhost", port=8443, path="/stream-transcription"),
        method="POST",
        body=None,
        fields=signers.Fields([signers.Field(name=name, values=[value])]),
    )
    sent = signers.SigV4Signer().sign(
        properties={"region": REGION, "service": SERVICE, "date": "20261122T120000Z"},
        request=request,
        identity=signers.AWSCredentialIdentity(access_key_id="AKIDEXAMPLE", secret_access_key=SECRET),
    )
    return sent.fields["authorization"].as_string(delimiter=""), sent.fields["x-amz-date"].as_string()


VALUES = {
    "plain": True,
    "": True,
    "two  spaces": True,
    "\ttabs\t and  spaces ": True,
    "a,b": True,
    "Jürgen": True,
    "\u2003wide": False,
    "wide\u2003space": False,
    "no\u00a0break": False,
    "unit\u001fseparator": False,
    "vertical\vtab": False,
    "form\ffeed": False,
    "next\u0085line": False,
    "line\nbreak": False,
    "line\r\nbreak": False,
}
"""Values of a signed header, and whether what others sign for them is accepted. Those fold all that Unicode calls white
space: two requests that differ in it have one signature."""


@pytest.mark.parametrize("oracle", [of_botocore, of_aws_sdk_signers], ids=["botocore", "aws-sdk-signers"])
@pytest.mark.parametrize(("value", "accepted"), VALUES.items(), ids=[ascii(value) for value in VALUES])
def test_signed_value_folds_spaces_and_tabs_alone(value, accepted, oracle):
    if oracle is of_botocore and not value.isascii():
        pytest.skip("botocore's headers are ASCII, or bytes")
    authorization, date = oracle("x-value", value)
    headers = [
        *(("host", "localhost:8443"), ("x-amz-date", date), ("x-value", value)),
        ("authorization", authorization),
    ]
    if accepted:
        assert verify(headers)
    else:
        with pytest.raises(VerificationError):
            verify(headers)


@each("value", [value for value, accepted in VALUES.items() if not accepted], ids=ascii)
def test_signed_value_cannot_be_exchanged_for_white_space(value):
    plain = " ".join(value.split())
    headers = signed_request(headers=[*HEADERS, ("x-value", plain)])
    assert verify(headers)
    with pytest.raises(VerificationError):
        verify([(name, value if name == "x-value" else other) for name, other in headers])


@pytest.mark.parametrize("value", ["line\nbreak", "line\rbreak", "nul\0"])
def test_signed_value_has_one_line(value):
    with pytest.raises(ValueError, match=r"^the header 'x-value' has a value of more than one line$"):
        signed_request(headers=[*HEADERS, ("x-value", value)])


def of_parts(*parts, separator=", "):
    """Return a signed request whose authorization header has these of its parts."""
    headers = signed_request()
    found = dict(part.split("=", 1) for part in dict(headers)["authorization"].partition(" ")[2].split(", "))
    texts = {name: f"{name}={value}" for name, value in found.items()}
    return replaced(
        headers, authorization="AWS4-HMAC-SHA256 " + separator.join(texts.get(part, part) for part in parts)
    )


PARTS = ("Credential", "SignedHeaders", "Signature")


@each("separator", [", ", ",", " ,\t "])
@each("parts", list(itertools.permutations(PARTS)), ids=" ".join)
def test_authorization_has_its_parts_in_any_order(parts, separator):
    assert verify(of_parts(*parts, separator=separator))


@each(
    "parts",
    [
        PARTS[:2],
        PARTS[1:],
        (*PARTS, "Signature"),
        ("Credential", *PARTS),
        (*PARTS, "More=1"),
        (*PARTS, ""),
        (*PARTS[:2], "signature=" + "0" * 64),
        (*PARTS[:2], "Signature="),
        (*PARTS[:2], "Signature=" + "0" * 63 + "\u0660"),
    ],
    ids=", ".join,
)
def test_authorization_has_each_part_once(parts):
    with pytest.raises(VerificationError, match="no valid authorization header"):
        verify(of_parts(*parts))


def test_authorization_with_an_upper_case_signature_is_refused():
    """All signers write it in lower case."""
    headers = signed_request()
    start, _, signature = dict(headers)["authorization"].rpartition("=")
    with pytest.raises(VerificationError, match="no valid authorization header"):
        verify(replaced(headers, authorization=f"{start}={signature.upper()}"))


@each(
    "change",
    [
        lambda names: names[::-1],
        lambda names: [*names, names[-1]],
        lambda names: [names[0], *names],
        lambda names: [names[0].upper(), *names[1:]],
        lambda names: [*names, ""],
        lambda names: ["", *names],
    ],
    ids=["not sorted", "last twice", "first twice", "upper case", "empty last", "empty first"],
)
def test_signed_headers_are_lower_case_sorted_and_there_once(change):
    """So signs every signer, and one list has one meaning."""
    headers = signed_request()
    text = dict(headers)["authorization"]
    names = re.search("SignedHeaders=([^,]*)", text)[1]
    assert sorted(names.split(";")) == names.split(";")
    with pytest.raises(VerificationError, match=r"SignedHeaders|is missing"):
        verify(replaced(headers, authorization=text.replace(names, ";".join(change(names.split(";"))))))


def test_repeated_host_is_none_of_them():
    """Neither the first nor the last of them is what was signed."""
    headers = [("host", "localhost:8443"), *signed_request()]
    assert verify(headers)
    for added in ([("host", "elsewhere"), *headers], [*headers, ("Host", "elsewhere")]):
        with pytest.raises(VerificationError, match="its host differs from its :authority"):
            verify(added)
        plain = [(name, value) for name, value in added if name != ":authority"]
        with pytest.raises(SignatureMismatch):
            verify(plain)


def test_repeated_date_is_none_of_them():
    """An old request must not become a new one by a second date."""
    headers = signed_request()
    later = ("x-amz-date", "20261122T130000Z")
    for added in ([later, *headers], [*headers, later]):
        for clock in (SHOWS_NOON, at(NOON + 3600 * SECOND)):
            with pytest.raises(VerificationError, match="is not a date"):
                verify(added, clock=clock)


def test_comparisons_take_constant_time(monkeypatch):
    """Of the signature, and of the session token."""
    compared = []

    def compare(one, other):
        compared.append((one, other))
        return one == other

    monkeypatch.setattr("hmac.compare_digest", compare)
    account = Credentials("AKIDEXAMPLE", SECRET, "token")
    verified = verify(signed_request(account), account)
    assert compared == [(verified.signature,) * 2, (b"token",) * 2]


@each(
    ("own", "given", "same"),
    [
        ("token", "token", True),
        ("token", "Token", False),
        ("token", "", False),
        ("token", None, False),
        (None, "token", False),
        (None, None, True),
        (None, "", True),
        ("", None, True),
        ("t\udce9", "t\udce9", True),
    ],
)
def test_token_is_the_credentials_own(own, given, same):
    assert Credentials("AKID", SECRET, own).has_token(given) is same


# Presigned URLs


SOCKET = "wss://transcribestreaming.us-east-1.amazonaws.com:8443/stream-transcription-websocket"


def presigned_by_botocore(url, credentials, expires, headers):
    """Return the URL as botocore presigns it at noon."""
    from botocore.auth import SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as Keys

    request = AWSRequest("GET", url, headers=dict(headers))
    request.context["timestamp"] = "20261122T120000Z"
    keys = Keys(credentials.access_key, credentials.secret_key, credentials.session_token)
    signer = SigV4QueryAuth(keys, SERVICE, REGION, expires=expires)
    signer._modify_request_before_signing(request)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))
    return request.url


def presign(url=SOCKET, credentials=CREDENTIALS, clock=SHOWS_NOON, **others):
    return presign_url(credentials, REGION, SERVICE, "GET", url, clock=clock, **others)


PRESIGNED = {
    "plain": (SOCKET, {}),
    "parameters": (SOCKET + "?language-code=en-US&sample-rate=16000&media-encoding=pcm", {}),
    "session token": (SOCKET, {"credentials": Credentials("AKID", SECRET, "a/token+with=all&sorts")}),
    "empty token": (SOCKET, {"credentials": Credentials("AKID", SECRET, "")}),
    "unicode": (SOCKET + "?name=Jürgen&ሴ=1", {}),
    "encoded unicode": (SOCKET + "?name=J%C3%BCrgen", {}),
    "spaces": (SOCKET + "?a=b+c&d=e%20f&g=h i", {}),
    "reserved": (SOCKET + "?a=~-._/:*'()@!$,%3D&b=x=y=z", {}),
    "empty values": (SOCKET + "?a=&b&c=1", {}),
    "empty parameters": (SOCKET + "?&a=1&&b=2&", {}),
    "order": (SOCKET + "?b=1&a-b=2&a=3", {}),
    "no path": ("https://example.com?a=1", {}),
    "odd path": ("https://example.com/a//b/../c%20d/./~e/", {}),
    "default port": ("https://example.com:443/", {}),
    "port of http": ("http://example.com:80/", {}),
    "other port": ("http://example.com:8080/", {}),
    "port of the other": ("https://example.com:80/", {}),
    "address": ("https://[::1]:8443/a", {}),
    "upper case": ("https://EXAMPLE.com/A", {}),
    "a second": (SOCKET, {"expires": 1}),
    "a week": (SOCKET, {"expires": 604_800}),
    "headers": (SOCKET, {"headers": [("X-Amz-Target", "a  b"), ("user-agent", "not signed")]}),
}


@each("name", PRESIGNED)
def test_presigned_url_is_botocores(name):
    url, others = PRESIGNED[name]
    ours = presign(url, **others)
    assert ours == presigned_by_botocore(
        url, others.get("credentials", CREDENTIALS), others.get("expires", 300), others.get("headers", ())
    )
    assert ours.isascii()


def opened(url, headers=(), method="GET"):
    """Return the request that a client sends for a URL: method, path and headers."""
    host, slash, path = url.partition("//")[2].replace("?", "/?", "/" not in url[8:].partition("?")[0]).partition("/")
    host = host.lower().removesuffix(":80" if url.startswith("http:") else ":443")
    return method, slash + path, [("host", host), *headers]


def verify_url(url, credentials=CREDENTIALS, clock=SHOWS_NOON, headers=(), method="GET", **others):
    region, service = others.pop("region", REGION), others.pop("service", SERVICE)
    return verify_presigned(credentials, region, service, *opened(url, headers, method), clock=clock, **others)


@each("name", PRESIGNED)
def test_presigned_url_is_verified(name):
    url, others = PRESIGNED[name]
    made = presign(url, **others)
    request = verify_url(made, others.get("credentials", CREDENTIALS), headers=others.get("headers", ()))
    assert request.signature.hex() == made.rpartition("=")[2]
    assert (request.region, request.service) == (REGION, SERVICE)


@each(
    ("url", "text"),
    [
        (SOCKET + "?a=1&a=2", "'a' occurs twice"),
        (SOCKET + "?b=1&B=2", "'B' occurs twice"),
        (SOCKET + "?a&a", "'a' occurs twice"),
        (SOCKET + "?x-amz-date=1", "already signed"),
        (SOCKET + "#fragment", "no user or fragment"),
        (SOCKET + "#", "no user or fragment"),
        ("wss://user@example.com/", "no user or fragment"),
        ("ftp://example.com/", "https, wss, http or ws"),
        ("example.com/path", "https, wss, http or ws"),
        ("https:///path", "a host"),
        ("https://example.com:port/", "is not a URL"),
        ("https://[example.com/", "is not a URL"),
        ("https://example.com/two words", "must be encoded"),
        ("https://example.com/Jürgen", "must be encoded"),
    ],
)
def test_presign_refuses_a_url(url, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        presign(url)


@pytest.mark.parametrize("path", ["https://example.com/stream", "stream"])
def test_sign_request_refuses_a_path_that_is_not_sent_like_that(path):
    with pytest.raises(ValueError, match=r"must be as it is sent: without scheme and host, from the slash$"):
        sign_request(CREDENTIALS, REGION, SERVICE, "POST", path, [("host", "example.com")])


@each("path", ["/ሴ", "/example space/"])  # as in AWS's own vectors
def test_sign_request_signs_a_path_that_is_not_encoded(path):
    sent, _ = sign_request(CREDENTIALS, REGION, SERVICE, "GET", path, [("host", "example.com")])
    assert verify_request(CREDENTIALS, REGION, SERVICE, "GET", path, sent)


@pytest.mark.parametrize("path", ["", "?a=b"])
def test_sign_request_takes_the_path_of_a_url_without_one(path):
    sent, _ = sign_request(CREDENTIALS, REGION, SERVICE, "POST", path, [("host", "example.com")])
    assert verify_request(CREDENTIALS, REGION, SERVICE, "POST", f"/{path}", sent)


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({"host": "example.com"}, "headers must be pairs of a name and a value: pass the items() of a mapping"),
        ([(b"host", b"example.com")], "the names and values of headers must be str, not bytes"),
        ([("content-length", 5)], "the names and values of headers must be str, not int"),
    ],
    ids=["mapping", "bytes", "int"],
)
def test_headers_of_another_type_are_told_what_they_should_be(headers, text):
    scope = (CREDENTIALS, REGION, SERVICE, "POST")
    for call in (
        lambda: sign_request(*scope, "/", headers),
        lambda: request_signature(*scope, "/", headers),
        lambda: verify_request(*scope, "/", headers),
        lambda: presign_url(*scope, "https://example.com/", headers=headers),
        lambda: verify_presigned(*scope, "/" + presign().split("/", 3)[3], headers),
    ):
        with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
            call()


@pytest.mark.parametrize("name", ["region", "service"])
def test_no_name_signs_nothing(name):
    """An environment variable that is not set is None."""
    scope = {"region": REGION, "service": SERVICE} | {name: None}
    text = rf"^the {name} must be a str, not NoneType$"
    with pytest.raises(TypeError, match=text):
        sign_request(CREDENTIALS, method="POST", path="/", headers=[("host", "example.com")], **scope)
    with pytest.raises(TypeError, match=text):
        presign_url(CREDENTIALS, method="GET", url=SOCKET, **scope)


@pytest.mark.parametrize("keys", [("", SECRET), ("AKIDEXAMPLE", "")])
def test_empty_keys_sign_nothing(keys):
    text = r"^the credentials are empty: they need an access key and a secret key$"
    with pytest.raises(ValueError, match=text):
        sign_request(Credentials(*keys), REGION, SERVICE, "POST", "/", [("host", "example.com")])
    with pytest.raises(ValueError, match=text):
        presign(credentials=Credentials(*keys))


def test_credentials_of_another_library_are_told_how_to_become_ours():
    from botocore.credentials import Credentials as Keys

    theirs = Keys("AKIDEXAMPLE", "secret")
    text = r"^credentials must be eventstream\.signing\.Credentials, not botocore\.credentials\.Credentials; .*resolve"
    with pytest.raises(TypeError, match=text):
        sign_request(theirs, REGION, SERVICE, "POST", "/", [("host", "example.com")])
    with pytest.raises(TypeError, match=text):
        presign_url(theirs, REGION, SERVICE, "POST", "https://example.com/")


@pytest.mark.parametrize("expires", [0, -1, 604_801])
def test_presign_bounds_the_expiry(expires):
    with pytest.raises(ValueError, match=f"1 to 604800 seconds, not {expires}"):
        presign(expires=expires)


@pytest.mark.parametrize("expires", [60.0, "60", None])
def test_presign_takes_whole_seconds(expires):
    text = f"^expires must be whole seconds, an int, not {type(expires).__name__}$"
    with pytest.raises(TypeError, match=text):
        presign(expires=expires)


def test_presign_takes_the_host_of_the_url():
    for name in ("Host", ":authority"):
        with pytest.raises(ValueError, match="the host is taken from the URL"):
            presign(headers=[(name, "elsewhere")])
    assert "SignedHeaders=host&" in presign("wss://example.com:443/") != presign("wss://example.com/")
    assert verify_url(presign("wss://example.com:443/")), "as every client does, the scheme's own port is left out"
    with pytest.raises(TypeError):
        presign(clock=lambda: NOON.replace(tzinfo=None))


def changes(url):
    """Yield the URL with one character of its query or path changed."""
    start = url.index("/", 8)
    for number in range(start + 1, len(url)):
        if url[number] not in "?&=%":
            yield url[:number] + ("0" if url[number] != "0" else "1") + url[number + 1 :]


def test_presigned_url_refuses_every_change():
    url = presign(SOCKET + "?language-code=en-US")
    assert verify_url(url)
    others = list(changes(url))
    assert len(others) == 297
    for other in others:
        with pytest.raises(VerificationError):
            verify_url(other)
    for other in (url + "&a=1", url.replace("language-code=en-US&", ""), url.replace("?", "?a=&")):
        with pytest.raises(SignatureMismatch, match="does not match"):
            verify_url(other)
    assert verify_url(url.replace("language-code=en-US&", "") + "&language-code=en-US"), "the order is not signed"
    with pytest.raises(SignatureMismatch):
        verify_url(url, method="POST")


@each(
    ("age", "error"),
    [
        (-301, "ahead of the clock"),
        (-300, None),
        (0, None),
        (59.999, None),
        (60, "it expired 0.000 s ago"),
        (60.001, "it expired 0.001 s ago"),
        (9999, "expired"),
    ],
)
def test_presigned_url_expires(age, error):
    url = presign(expires=60, clock=at(NOON.replace(microsecond=0)))
    clock = at(NOON.replace(microsecond=0) + age * SECOND)
    if error is None:
        assert verify_url(url, clock=clock)
        return
    with pytest.raises(DateSkew, match=error) as raised:
        verify_url(url, clock=clock)
    assert raised.value.index is None
    assert raised.value.skew == (-age * SECOND if age < 0 else None)
    assert verify_url(url, clock=clock, max_clock_skew=None)


def test_presigned_url_lasts_as_long_as_allowed():
    assert verify_url(presign(expires=300), max_expires=300)
    with pytest.raises(VerificationError, match="it is valid for 301 seconds; 300 are allowed"):
        verify_url(presign(expires=301), max_expires=300)
    with pytest.raises(VerificationError, match="604800 are allowed"):
        verify_url(presign().replace("Expires=300", "Expires=604801"))


NAMES = ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"]


@each("name", NAMES)
def test_presigned_parameters_are_required_once(name):
    url = presign()
    (found,) = re.findall(f"X-Amz-{name}=[^&]*", url)
    missing = url.replace(found, "").replace("&&", "&")
    for other, text in (
        (missing, f"X-Amz-{name} is missing"),
        (url.replace(found, found.lower()), f"X-Amz-{name} is missing"),
        (f"{url}&{found}", "occurs twice"),
        (f"{url}&{found.lower()}", "occurs twice"),
        (f"{url}&{found.replace('-', '%2D')}", "occurs twice"),
        (url.replace(found, f"X-Amz-{name}="), f"X-Amz-{name} is invalid|is not a date"),
    ):
        with pytest.raises(VerificationError, match=text):
            verify_url(other)


@each(
    ("old", "new"),
    [
        ("Algorithm=AWS4-HMAC-SHA256", "Algorithm=AWS4-HMAC-SHA512"),
        ("Date=20261122T120000Z", "Date=20261122"),
        ("Date=20261122T120000Z", "Date=20261399T120000Z"),
        ("Date=20261122T120000Z", "Date=20261123T120000Z"),
        ("Expires=300", "Expires=0300"),
        ("Expires=300", "Expires=0"),
        ("Expires=300", "Expires=-1"),
        ("Expires=300", "Expires=%D9%A3"),
        ("Expires=300", "Expires=9999999"),
        ("SignedHeaders=host", "SignedHeaders=HOST"),
        ("SignedHeaders=host", "SignedHeaders=host%3Bhost"),
        ("SignedHeaders=host", "SignedHeaders=range"),
        ("SignedHeaders=host", "SignedHeaders=host%3Brange"),
        ("us-east-1", "us-east-2"),
        ("%2Ftranscribe%2F", "%2Fs3%2F"),
        ("AKIDEXAMPLE", "AKIDUNKNOWN"),
        ("%2Faws4_request", "%2Faws4"),
    ],
)
def test_presigned_claims_are_checked(old, new):
    url = presign()
    assert old in url
    with pytest.raises(VerificationError):
        verify_url(url.replace(old, new))


def test_presigned_signature_is_in_lower_case():
    url, _, signature = presign().rpartition("=")
    with pytest.raises(VerificationError, match="X-Amz-Signature is invalid"):
        verify_url(f"{url}={signature.upper()}")


def test_presigned_session_token_is_the_accounts():
    account = Credentials("AKIDEXAMPLE", SECRET, "token")
    assert verify_url(presign(credentials=account), account)
    for credentials, known in ((CREDENTIALS, account), (account, CREDENTIALS)):
        with pytest.raises(VerificationError, match="its session token"):
            verify_url(presign(credentials=credentials), known)


@pytest.mark.parametrize("name", ["x-amz-date", "x-amz-security-token", "x-amzn-transcribe-sample-rate"])
def test_presigned_url_allows_no_headers_of_aws(name):
    with pytest.raises(VerificationError, match=f"the header '{name}' is not signed"):
        verify_url(presign(), headers=[(name, "20261122T120000Z")])
    assert verify_url(presign(), headers=[("x-amzn-trace-id", "of a proxy"), ("origin", "https://example.com")])


def test_presigned_url_holds_for_its_host():
    method, path, _ = opened(presign())
    for headers in ([("host", "elsewhere:8443")], []):
        with pytest.raises(VerificationError):
            verify_presigned(CREDENTIALS, REGION, SERVICE, method, path, headers, clock=SHOWS_NOON)


def test_presigned_garbage_is_a_verification_error():
    for query in (
        "",
        "?",
        "?%",
        "?=&=",
        "?X-Amz-Date=%FF",
        "?" + "&" * 1000,
        "?" + quote("\ud800", errors="surrogatepass"),
    ):
        with pytest.raises(VerificationError):
            verify_presigned(
                CREDENTIALS, REGION, SERVICE, "GET", "/" + query, [("host", "localhost")], clock=SHOWS_NOON
            )


def test_request_that_is_presigned_is_no_request_with_headers():
    url = presign()
    with pytest.raises(VerificationError, match="no valid authorization header"):
        verify_request(CREDENTIALS, REGION, SERVICE, *opened(url), clock=SHOWS_NOON)
    with pytest.raises(VerificationError, match="is missing"):
        verify_presigned(CREDENTIALS, REGION, SERVICE, "GET", "/", signed_request(), clock=SHOWS_NOON)
