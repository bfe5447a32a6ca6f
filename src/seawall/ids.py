"""Names as types, so that a site name is never passed where a release id is meant."""

from typing import NewType

SiteName = NewType("SiteName", str)
"""The key of a site in the site file, for example `shop`."""
RouteId = NewType("RouteId", str)
"""`SITE/ROUTE`, for example `shop/api`; unique on an edge; Envoy's route name."""
OriginName = NewType("OriginName", str)
"""The name of an origin; for an origin written inside a site, `SITE` or `SITE/ROUTE`."""
CertificateName = NewType("CertificateName", str)
"""The SDS name of a certificate: derived from its place in the site file, kept on rotation."""
Digest = NewType("Digest", str)
"""Lower-case hex SHA-256 of content."""
ListName = NewType("ListName", str)
"""The key of an address list in the site file, for example `bad-clients`."""
ReleaseId = NewType("ReleaseId", str)
"""`r` and a number that only grows on one store, for example `r12`: what people type."""
Generation = NewType("Generation", int)
"""Number of an assignment to a node; only grows; a node refuses a smaller one."""
NodeName = NewType("NodeName", str)
"""A node of the edge; `local` on a single machine."""
RequestId = NewType("RequestId", str)
"""UUID that Envoy gives every request (`x-request-id`)."""
