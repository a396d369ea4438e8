"""Where an operation of botocore's models is called: what the rules for the endpoints of its service say.

A service need not be where its name and the partition's domain would have it: Q Business has only dual-stack hosts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import DataNotFoundError, EndpointProviderError

if TYPE_CHECKING:
    from botocore.loaders import Loader
    from botocore.model import OperationModel

__all__ = ["Endpoints", "endpoints_of"]


def endpoints_of(loader: Loader, model: OperationModel) -> Endpoints | None:
    """Return the hosts of an operation; None: the loader finds no rules of its service."""
    try:
        rules = loader.load_service_model(model.service_model.service_name, "endpoint-rule-set-1")
    except DataNotFoundError:
        return None
    return Endpoints(model, EndpointProvider(rules, loader.load_data("partitions")))


class Endpoints:
    """The hosts of an operation, by its service's rules. They are found without reading files.

    Args:
        model: of the operation.
        provider: of the service's endpoints.
    """

    def __init__(self, model: OperationModel, provider: EndpointProvider) -> None:
        self._model = model
        self._provider = provider

    def host(self, region: str, *, fips: bool, dualstack: bool) -> str:
        """Return the host in a region, without the prefix that the operation may have.

        Args:
            region: e.g. ``"us-east-1"``.
            fips: whether it is the host with cryptography that is validated under FIPS 140.
            dualstack: whether it is the host that also has addresses of IPv6.

        Raises:
            ValueError: the rules have none.
        """
        given = {each.name: each.value for each in self._model.static_context_parameters}
        try:
            found = self._provider.resolve_endpoint(**given, Region=region, UseFIPS=fips, UseDualStack=dualstack)
        except EndpointProviderError:
            kind = "FIPS " * fips + "dual-stack " * dualstack + "endpoint"
            raise ValueError(f"{self._model.name} has no known {kind} in {region}") from None
        host: str = urlsplit(found.url).netloc
        return host
