"""An operation of botocore's models is called where botocore calls it, in every partition."""

from __future__ import annotations

from itertools import product

import pytest

pytest.importorskip("botocore", reason="botocore is not installed")

import botocore.session
from adapters import models
from adapters.clients import LOADER, Body, session_of
from adapters.test_operations import example
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import BotoCoreError, ClientError

from eventstream.adapters import boto3
from eventstream.adapters._endpoints import Endpoints, endpoints_of
from eventstream.adapters._operations import make_operation
from eventstream.client import Client, ConfigurationError
from eventstream.signing import Credentials

CREDENTIALS = Credentials("AKIDEXAMPLE", "secret")


def url_called(service, region, **options):
    """Return the URL to which botocore sends the request of a service's bidirectional operation."""
    client = session_of().create_client(service, region_name=region, config=Config(**options))
    asked = []

    def answer(request, **_):
        asked.append(request.url)
        return AWSResponse(request.url, 400, {}, Body(b"{}"))

    client.meta.events.register("before-send", answer)
    name = {**dict(models.BIDIRECTIONAL), "transcribe-streaming": "StartStreamTranscription"}[service]
    model = client.meta.service_model.operation_model(name)
    stream = model.input_shape.event_stream_name
    given = {member: example(model.input_shape.members[member]) for member in model.input_shape.required_members}
    with pytest.raises(ClientError):
        getattr(client, botocore.xform_name(name))(**{member: given[member] for member in given if member != stream})
    return asked[0]


@pytest.mark.usefixtures("methods")
@pytest.mark.parametrize(("service", "name"), models.BIDIRECTIONAL)
def test_endpoint_of_an_operation_is_botocores(monkeypatch, service, name):
    operation = boto3.operation(service, name)
    for region in ("us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1", "us-iso-east-1", "eusc-de-east-1"):
        for fips, dualstack in product((False, True), repeat=2):
            monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", str(fips).lower())
            monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", str(dualstack).lower())
            try:
                theirs = url_called(service, region, use_fips_endpoint=fips, use_dualstack_endpoint=dualstack)
            except BotoCoreError:  # older versions know no dual-stack hosts in some partitions
                assert dualstack
                continue
            ours = Client(region, credentials=CREDENTIALS).endpoint_of(operation)
            assert theirs.startswith(ours + "/"), (region, fips, dualstack)
            assert ("-fips." in ours) is fips
            assert ours.removeprefix("https://") in operation.hosts(region)


def test_endpoint_that_the_rules_do_not_have():
    rules = {
        "version": "1.0",
        "parameters": {"Region": {"type": "string"}, "UseFIPS": {"type": "boolean", "default": False}},
        "rules": [
            {
                "conditions": [{"fn": "booleanEquals", "argv": [{"ref": "UseFIPS"}, True]}],
                "error": "FIPS is not supported",
                "type": "error",
            },
            {
                "conditions": [{"fn": "stringEquals", "argv": [{"ref": "Region"}, "us-east-1"]}],
                "endpoint": {"url": "https://traits.global.example"},
                "type": "endpoint",
            },
        ],
    }
    model = models.operation_model(models.REST)
    provider = EndpointProvider(rules, LOADER.load_data("partitions"))
    operation = make_operation(model, endpoints=Endpoints(model, provider))
    assert operation.host("us-east-1") == "streaming.traits.global.example"
    assert operation.hosts("us-east-1") == ["streaming.traits.global.example"]
    with pytest.raises(ValueError, match=r"^the region 'US-EAST-1' cannot be one"):
        operation.host("US-EAST-1")
    with pytest.raises(ValueError, match=r"^Converse has no known FIPS endpoint in us-east-1$"):
        operation.host("us-east-1", fips=True)
    with pytest.raises(
        ConfigurationError, match=r"^Converse has no known endpoint in eu-west-1: give its URL as the endpoint$"
    ):
        Client("eu-west-1", credentials=CREDENTIALS).endpoint_of(operation)


def test_endpoints_of_a_service_without_rules():
    assert endpoints_of(LOADER, models.operation_model(models.REST)) is None
    operation = boto3.operation("transcribe-streaming", "StartStreamTranscription")
    assert operation.host("us-east-1") == "transcribestreaming.us-east-1.amazonaws.com"
