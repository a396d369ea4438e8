"""A conversation with Bedrock on boto3's clients; called with an endpoint, a CA file, keys and how many events."""

import sys

import botocore.session

from eventstream.adapters import boto3 as bidirectional

ENDPOINT, CA_FILE, ACCESS_KEY, SECRET_KEY, SENT, ANSWERS = sys.argv[1:]
AUDIO = bytes(range(256)) * 4


def converse() -> int:
    bidirectional.install()
    session = botocore.session.Session()
    session.set_credentials(ACCESS_KEY, SECRET_KEY)
    client = session.create_client("bedrock-runtime", "us-east-1", endpoint_url=ENDPOINT, verify=CA_FILE)
    with client.invoke_model_with_bidirectional_stream(modelId="model") as stream:
        for _ in range(int(SENT)):
            stream.send({"chunk": {"bytes": AUDIO}})
        stream.send({"chunk": {"bytes": ANSWERS.encode()}})
        stream.end()
        return sum(len(event["chunk"]["bytes"]) for event in stream)


print(converse())
