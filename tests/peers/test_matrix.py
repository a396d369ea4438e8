"""`conformance.md` is true: of our codecs and of the peers in Python, where they are installed in its versions.

The columns of the peers in processes of their own are compared by `make conformance`, which needs all.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from peers import matrix
from peers.cases import CASES
from peers.kinds import KINDS, OURS, PEERS, Peer, asked, predict
from peers.outcomes import Message, Outcome
from peers.python import Ours

RECORDED = matrix.FILE.read_text(encoding="utf-8")
PYTHON = ("native", "reference", "botocore", "amazon-transcribe", "smithy-aws-event-stream")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def found():
    with matrix.codecs(matrix.pinned()) as (codecs, missing):
        return {name: codecs.get(name, missing.get(name)) for name in PYTHON}


@pytest.fixture(scope="module", params=PYTHON)
def codec(request, found):
    if isinstance(found[request.param], str):
        pytest.skip(f"{request.param}: {found[request.param]}")
    return found[request.param]


@pytest.fixture(scope="module")
def ours(found):
    return [matrix.run(found["reference"], case) for case in CASES]


@pytest.fixture(scope="module")
def outcomes(codec):
    """Of every case; None where the codec does not encode."""
    return [matrix.run(codec, case) for case in CASES]


def test_matrix_of_every_cell(codec, ours, outcomes):
    recorded = matrix.cells_of(RECORDED)
    for number, (case, outcome, our) in enumerate(zip(CASES, outcomes, ours, strict=True), 1):
        assert matrix.cell(codec, outcome, our) == recorded[str(number), codec.name], case.name


def test_disagreements_are_of_known_kinds(codec, ours, outcomes):
    """The model predicts each outcome, and a cell is plain where no kind is met."""
    for case, outcome, our in zip(CASES, outcomes, ours, strict=True):
        if outcome is None or case.again:
            continue
        predicted, kinds = predict("ours" if isinstance(codec, Ours) else codec.name, case.given)
        assert outcome == predicted, case.name
        if not kinds:
            assert not matrix.differs(outcome, matrix.expected(codec, our)), case.name


def test_matrix_parts_that_need_no_peers():
    assert matrix.table(matrix.kind_rows()) in RECORDED
    assert matrix.table(matrix.input_rows()) in RECORDED
    assert {column for _, column in matrix.cells_of(RECORDED)} == {
        *("№", "question", "case", "native", "reference"),
        *(matrix.pinned()),
    }
    assert len(matrix.cells_of(RECORDED)) == len(CASES) * (5 + len(matrix.pinned()))


@pytest.mark.parametrize("name", [name for name in PEERS if name != "ours"])
def test_kinds_make_a_difference(name):
    """A peer's every kind is met by a case of that question, and without it the model would predict something else."""
    peer = PEERS[name]
    for kind in peer.kinds:
        met = [case for case in CASES if asked(name, case) and kind in predict(name, case.given)[1]]
        assert any(case.question == KINDS[kind].question for case in met), kind
        without = Peer(peer.kinds - {kind}, {**OURS, **peer.errors}, peer.typed)
        assert any(predict(without, case.given)[0] != predict(name, case.given)[0] for case in met), kind


def test_versions_are_those_that_are_installed():
    """By the dependency group, and by npm's lock file."""
    pinned = matrix.pinned()
    group = re.search(r"^peers = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL | re.MULTILINE)
    assert group is not None
    wanted = dict(re.findall(r'"([\w-]+)==([\d.]+)', group[1]))
    assert wanted.pop("awscrt") == pinned.pop("aws-c-event-stream")
    assert f'"@smithy/core": "{pinned.pop("@smithy/core")}"' in (ROOT / "tools/peers/package.json").read_text()
    assert pinned == wanted


def test_bold_cells():
    """A check that cannot fail is none."""
    message = Message((("n", "string", "v"),), b"payload")
    accepts, other = Outcome((message,)), Outcome((message._replace(payload=b""),))
    rejects = Outcome(end="OneError")
    assert not matrix.differs(accepts, accepts)
    assert not matrix.differs(rejects, Outcome(end="AnotherError"))
    for one in (other, rejects, Outcome((message,), end="silent"), Outcome(wire=b"")):
        assert matrix.differs(one, accepts)
    for one in (accepts, Outcome(), Outcome(end="silent"), Outcome(end="KeyError", own=False), Outcome(end="hangs")):
        assert matrix.differs(one, rejects)
