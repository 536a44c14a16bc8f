"""What roles last used, as IAM reports it: one job for each role, a few at a time. It only reads.

Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetServiceLastAccessedDetails.html
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from botocore.config import Config

from irsa.rules.mistakes import named
from irsa_world.causes import Cause
from irsa_world.exits import CouldNotLookError
from irsa_world.live.iam import AwsAccountClient
from irsa_world.live.service import Service, answered
from irsa_world.shapes import JOB, LAST_USE, checked_answer
from irsa_world.unread import Unread

BUDGET_SECONDS, POLL_SECONDS = 20 * 60, 1.0
# IAM throttles both calls. What is throttled is asked again in the next round, so that the budget holds.
JOBS_AT_ONCE = 8
# A job that is asked for more often comes after the others: it may never end.
SHARE = 30
# What one role's request is answered, each would be.
OF_ALL_ROLES = (Cause.DENIED, Cause.EXPIRED, Cause.INVALID_CREDENTIALS, Cause.NO_CREDENTIALS)
ONCE_MORE = Config(retries={"mode": "standard", "total_max_attempts": 2})
SERVICE = ""
Report = Mapping[str, Mapping[str, bool]]
"""Whether a role tried to use each action that it is allowed and IAM tracks, by service and name; at SERVICE, any.

Services are in small letters; one whose actions are all denied is not there."""


def read_last_use(
    clients: Mapping[str, AwsAccountClient], role_arns: Iterable[str], show: Callable[[str], None]
) -> dict[str, Report | Unread]:
    """Return what each role last used, or why that is not known; the clients are by number of the AWS account."""
    services = {number: Service(each.session, "iam", ONCE_MORE) for number, each in clients.items()}
    found: dict[str, Report | Unread] = {}
    jobs, asked = dict[str, str](), Counter[str]()
    left, end = sorted(role_arns), time.monotonic() + BUDGET_SECONDS
    total = len(left)
    while left and time.monotonic() < end:
        for arn in left[:JOBS_AT_ONCE]:
            number = arn.split(":")[4]
            try:
                _step(services[number], arn, jobs, found)
            except CouldNotLookError as error:
                if error.cause in OF_ALL_ROLES:
                    found |= {each: Unread(error) for each in {*left} - found.keys() if each.split(":")[4] == number}
                    break
                if error.cause is not Cause.THROTTLED:
                    found[arn] = Unread(error)
        asked.update(left[:JOBS_AT_ONCE])
        left = sorted((arn for arn in left if arn not in found), key=lambda arn: asked[arn] // SHARE)
        show(f"last use: {len(found):,} of {total:,} roles")
        if left:
            time.sleep(POLL_SECONDS)
    late = f"IAM did not report it within {BUDGET_SECONDS // 60} minutes: choose fewer with --namespace"
    return found | dict.fromkeys(left, Unread(CouldNotLookError(late)))


def _step(service: Service, arn: str, jobs: dict[str, str], found: dict[str, Report | Unread]) -> None:
    """Start the job of a role, or take what it reports, if it has ended."""
    if arn not in jobs:
        details = {"Arn": arn, "Granularity": "ACTION_LEVEL"}
        name = "iam:GenerateServiceLastAccessedDetails"
        job = answered(name, lambda: service.ask(lambda iam: iam.generate_service_last_accessed_details(**details)))
        if job is None:
            raise CouldNotLookError("the role was deleted after the roles were listed")
        jobs[arn] = checked_answer(name, job, JOB)["JobId"]
        return
    pages = answered("iam:GetServiceLastAccessedDetails", lambda: service.ask(lambda iam: _pages(iam, jobs[arn])))
    if pages is None:
        raise CouldNotLookError("IAM does not know the job that these credentials started")
    if pages:
        listed = [each for page in pages for each in page.get("ServicesLastAccessed") or ()]
        checked_answer("iam:GetServiceLastAccessedDetails", listed, LAST_USE)
        found[arn] = {each["ServiceNamespace"].lower(): _used(each) for each in listed}


def _pages(iam: Any, job: str) -> list[Any]:
    """Return the pages of what a job reports; none while it is under way. boto3 has no paginator for them."""
    pages, more, markers = list[Any](), {"JobId": job}, {""}
    while not pages or pages[-1].get("IsTruncated"):
        page = iam.get_service_last_accessed_details(**more)
        if page["JobStatus"] == "FAILED":
            raise CouldNotLookError(f"the job of IAM failed: {named((page.get('Error') or {}).get('Message', ''))}")
        if page["JobStatus"] != "COMPLETED":
            return []
        pages.append(page)
        marker = page.get("Marker", "")
        if page.get("IsTruncated") and marker in markers:
            raise CouldNotLookError("iam:GetServiceLastAccessedDetails: the list has more pages and does not say where")
        markers.add(marker)
        more |= {"Marker": marker}
    return pages


def _used(service: Mapping[str, Any]) -> Mapping[str, bool]:
    tracked = service.get("TrackedActionsLastAccessed") or ()
    actions = {each["ActionName"]: "LastAccessedTime" in each for each in tracked}
    return {**actions, SERVICE: "LastAuthenticated" in service}
