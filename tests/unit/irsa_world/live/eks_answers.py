"""EKS's answers about associations, without a server: moto has none of these calls."""

import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
from botocore.awsrequest import AWSResponse

from tests.world import aws_response

ACCOUNT, REGION = "111122223333", "us-west-2"
Answer = tuple[int, Mapping[str, Any]]
NOT_FOUND: Answer = (404, {"__type": "ResourceNotFoundException", "message": "No such thing"})
DENIED: Answer = (403, {"__type": "AccessDeniedException", "message": "Not authorized"})


def association(cluster: str, number: int, namespace: str, name: str, **more: Any) -> dict[str, Any]:
    """Return an association as DescribePodIdentityAssociation has it."""
    return {
        "clusterName": cluster,
        "namespace": namespace,
        "serviceAccount": name,
        "roleArn": f"arn:aws:iam::{ACCOUNT}:role/{name}",
        "associationArn": f"arn:aws:eks:{REGION}:{ACCOUNT}:podidentityassociation/{cluster}/a-{number}",
        "associationId": f"a-{number}",
        "tags": {},
        "disableSessionTags": False,
        **more,
    }


class Eks:
    """EKS with associations and add-ons; `session` asks it.

    Attributes:
        associations: By cluster and ID.
        addons: Their status, by cluster and name.
        instead: Answers of operations in place of the usual ones, by name.
        asked: Each operation that was asked for, with the parameters of its path and query.
    """

    def __init__(self, *found: Mapping[str, Any], page: int = 100) -> None:
        self.associations: dict[str, dict[str, Mapping[str, Any]]] = {}
        for each in found:
            self.associations.setdefault(each["clusterName"], {})[each["associationId"]] = each
        self.addons: dict[tuple[str, str], str] = {}
        self.instead: dict[str, Callable[[], Answer | None]] = {}
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        self._page, self._lock = page, threading.Lock()
        self.session = boto3.session.Session("x", "x", region_name=REGION)
        self.answer_to(self.session)

    def answer_to(self, session: Any) -> None:
        """Answer the questions of a session."""
        events = session._session.get_component("event_emitter")
        for operation in ("ListPodIdentityAssociations", "DescribePodIdentityAssociation", "DescribeAddon"):
            events.register_first(f"before-send.eks.{operation}", self._respond)

    def _respond(self, request: Any, event_name: str, **_: Any) -> AWSResponse:
        operation, url = event_name.rpartition(".")[2], urlsplit(request.url)
        path = [unquote(part) for part in url.path.strip("/").split("/")]
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        with self._lock:
            self.asked.append((operation, query))
        instead = self.instead.get(operation, lambda: None)()
        status, body = instead or self._answer(operation, path[1], path[3:], query)

        headers = {} if status == 200 else {"x-amzn-ErrorType": body["__type"]}
        return aws_response(status, body, headers, request.url)

    def _answer(self, operation: str, cluster: str, name: list[str], query: Mapping[str, str]) -> Answer:
        if cluster not in self.associations:
            return NOT_FOUND
        of_cluster = self.associations[cluster]
        if operation == "DescribeAddon":
            status = self.addons.get((cluster, name[0]))
            return (200, {"addon": {"addonName": name[0], "status": status}}) if status else NOT_FOUND
        if operation == "DescribePodIdentityAssociation":
            found = of_cluster.get(name[0])
            return (200, {"association": found}) if found else NOT_FOUND
        wanted = {key: query[key] for key in ("namespace", "serviceAccount") if key in query}
        chosen = [each for each in of_cluster.values() if wanted.items() <= each.items()]
        start, size = int(query.get("nextToken", 0)), min(self._page, int(query["maxResults"]))
        rest = {"nextToken": str(start + size)} if start + size < len(chosen) else {}
        keys = ("clusterName", "namespace", "serviceAccount", "associationArn", "associationId", "ownerArn")
        page = [{key: one[key] for key in keys if key in one} for one in chosen[start : start + size]]
        return 200, {"associations": page, **rest}
