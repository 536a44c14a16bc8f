"""The connection to one Kubernetes API: which thread sends when, how often, and why there was no answer.

Requests are plain JSON: lightkube reads the kubeconfig, but its models are not thread-safe. The first
use of one by two threads at once ends the process (seen: lightkube 1.0.1 with msgspec, in decode_object).
No two threads use one HTTP client at a time either: others were in its TLS handshake when that was seen.
"""

import contextlib
import ssl
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import httpx2
from lightkube.config.client_adapter import Client as HttpClient
from lightkube.config.client_adapter import ConnectionParams
from lightkube.config.kubeconfig import SingleConfig
from lightkube.core.exceptions import ConfigError

from irsa.rules.mistakes import named
from irsa_world.causes import Cause
from irsa_world.exits import CouldNotLookError
from irsa_world.live.kubeconfig import as_could_not_look
from irsa_world.live.once import FirstAlone

ATTEMPTS = 5
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 10.0
TIMEOUT = httpx2.Timeout(20.0, connect=5.0)


class Connection:
    """The requests to one Kubernetes API, of all threads."""

    def __init__(self, config: SingleConfig) -> None:
        """Create the client for a context of a kubeconfig."""
        self._config, self._has_program = config, bool(config.user and config.user.exec)
        self._requests = FirstAlone(CouldNotLookError)
        # In a Pod there is neither.
        self._proxy = getattr(config.cluster, "proxy_url", None) or None
        server_name = getattr(config.cluster, "tls_server_name", None)
        self._as_server: dict[str, Any] = {"extensions": {"sni_hostname": server_name}} if server_name else {}
        with as_could_not_look("connect"):
            self._idle = [self._new_client()]
        # All clients send the token of one run of the kubeconfig's credential program.
        self._auth = self._idle[0].auth

    def answer(self, method: str, path: str, **values: Any) -> httpx2.Response:
        """Return the answer to a request, whatever its status; a busy server is asked again.

        Raises:
            CouldNotLookError: There is none.
        """
        for attempt in range(1, ATTEMPTS + 1):
            # The first one runs the kubeconfig's credential program, and the others use its token.
            answer = self._requests.ask(lambda: self._attempt(method, path, auth=self._auth, **values))
            if answer.status_code != HTTPStatus.TOO_MANY_REQUESTS or attempt == ATTEMPTS:
                break
            after = answer.headers.get("Retry-After", "")
            seconds = float(after) if after.isdecimal() else PAUSE_SECONDS
            time.sleep(min(seconds, LONGEST_PAUSE_SECONDS))
        return answer

    def _new_client(self) -> httpx2.Client:
        return HttpClient(self._config, ConnectionParams(timeout=TIMEOUT, proxy=self._proxy))

    @contextlib.contextmanager
    def _client(self) -> Iterator[httpx2.Client]:
        """Yield a client that no other thread uses meanwhile."""
        try:
            client = self._idle.pop()
        except IndexError:
            client = self._new_client()
        try:
            yield client
        finally:
            self._idle.append(client)

    def _attempt(self, method: str, path: str, **values: Any) -> httpx2.Response:
        values |= self._as_server
        try:
            with self._client() as client:
                try:
                    return client.request(method, path, **values)
                except httpx2.TimeoutException:
                    raise
                except httpx2.TransportError:
                    # The server may have closed a kept connection.
                    return client.request(method, path, **values)
        except (httpx2.HTTPError, ConfigError, OSError, ValueError, KeyError, TypeError) as error:
            raise self._failure(error) from None

    def _failure(self, error: Exception) -> CouldNotLookError:
        """Return why there was no answer at all, without a word that may be a token."""
        text, cause = str(error) or type(error).__name__, None
        # lightkube raises ConfigError where the credential program fails, and does not check what it prints.
        is_of_program = self._has_program and isinstance(error, ConfigError | ValueError | KeyError | TypeError)
        if isinstance(error, httpx2.ProtocolError | ValueError | KeyError | TypeError):
            # Its message may quote a header, and one of them is the token.
            printed = "the kubeconfig's credential program returned no token ({})" if is_of_program else "{}"
            text = printed.format(type(error).__name__)
        if is_of_program:
            cause = Cause.NO_CREDENTIALS
        elif is_of_certificate(error):
            cause = Cause.NOT_TRUSTED
        return CouldNotLookError(f"cluster {named(self._config.context_name)}: {text}", cause)


def is_of_certificate(error: BaseException | None) -> bool:
    """Return whether a connection failed because the server's certificate is not trusted."""
    while error and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error is not None
