"""Other codecs, asked the same questions as ours: `make conformance` prints the answers.

    cases.py       the one table of questions and inputs
    outcomes.py    what a codec may make of an input, in words that all share
    python.py      our two implementations, botocore, amazon-transcribe and smithy-aws-event-stream, in this process
    processes.py   @smithy/core (javascript.mjs) and aws-c-event-stream (aws_c.py), each in a process of its own
    kinds.py       every kind of disagreement with the peers in Python, and the model that predicts them
    matrix.py      runs every case on every codec, and writes
    conformance.md what came of it; the tests keep it true

The fuzz target `fuzz.peers` looks for a disagreement of no known kind.
"""
