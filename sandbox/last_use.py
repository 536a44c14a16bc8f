"""What roles last used: IAM reports it in jobs, which moto lacks; here a file says it."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.iam.exceptions import NotFoundException
from moto.iam.models import IAMBackend
from moto.iam.responses import IamResponse

SERVICE = re.compile(r'"([\w-]+):[\w*?]+"')


def add_last_use(file: Path) -> None:
    """Add GenerateServiceLastAccessedDetails and GetServiceLastAccessedDetails to moto.

    A job is under way when it is first asked for. A service that the role never used has no time, nor has such an
    action. Only tracked actions that the role may use are listed.
    Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetServiceLastAccessedDetails.html

    Args:
        file: A JSON file, which need not exist: {"app": {"age": 500, "used": {"s3": {"": 3, "GetBucketAcl": null}}}}.
            By the name of a role: its age in days when it is created, and the days since it used each tracked action of
            a service; null if it never did. "" is for all other actions of the service.
    """
    jobs: dict[str, Iterator[dict[str, Any]]] = {}

    def said_of(name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = (json.loads(file.read_text()) if file.exists() else {}).get(name, {})
        return found

    create = IAMBackend.create_role

    def create_role(self: IAMBackend, role_name: str, *arguments: Any, **named: Any) -> Any:
        role = create(self, role_name, *arguments, **named)
        role.create_date = utcnow() - timedelta(said_of(role_name).get("age", 0))
        return role

    def generate(response: Any) -> ActionResult:
        name, job = response._get_param("Arn").rpartition("/")[2], str(uuid4())
        allowed = _allowed(response.backend.get_role(name))
        jobs[job] = _answers({**{each: {} for each in allowed}, **said_of(name).get("used", {})})
        return ActionResult({"JobId": job})

    def get(response: Any) -> ActionResult:
        job = response._get_param("JobId")
        if job not in jobs:
            raise NotFoundException(f"Job {job} not found")
        return ActionResult(next(jobs[job]))

    IAMBackend.create_role = create_role  # type: ignore[method-assign]
    for name, operation in (("generate", generate), ("get", get)):
        setattr(IamResponse, f"{name}_service_last_accessed_details", operation)


def _allowed(role: Any) -> set[str]:
    """Return the services that the policies of a role name."""
    documents = [*role.policies.values(), *(each.document for each in role.managed_policies.values())]
    return {each.lower() for document in documents for each in SERVICE.findall(unquote(document))}


def _answers(used: Mapping[str, Mapping[str, int | None]]) -> Iterator[dict[str, Any]]:
    now = datetime.now(UTC)
    job = {"JobType": "ACTION_LEVEL", "JobCreationDate": now, "JobCompletionDate": now}
    yield {**job, "JobStatus": "IN_PROGRESS", "ServicesLastAccessed": []}

    def at(days: int | None) -> datetime | None:
        return None if days is None else now - timedelta(days)

    services = []
    for name, actions in sorted(used.items()):
        tracked = [{"ActionName": each, "LastAccessedTime": at(days)} for each, days in actions.items() if each]
        last = at(min((each for each in actions.values() if each is not None), default=None))
        service = {"ServiceName": name, "ServiceNamespace": name, "LastAuthenticated": last}
        services.append({**service, "TrackedActionsLastAccessed": tracked or None})
    yield {**job, "JobStatus": "COMPLETED", "IsTruncated": False, "ServicesLastAccessed": services}
