"""Questions that many threads have in common."""

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Answer = TypeVar("Answer")
# More questions of a kind than this are answered by a list of all, whose pages are mostly fewer.
MANY = 20
# Set where AWS asks to slow down; who reports it clears it.
slowed_down = threading.Event()


class Once:
    """The answers to questions: each is asked once for all threads, and why there is none is kept like an answer."""

    def __init__(self) -> None:
        """Start without answers."""
        self._answers: dict[Hashable, Any] = {}
        self._locks: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def answer(self, question: Hashable, ask: Callable[[], Answer]) -> Answer:
        """Return the answer to a question.

        Raises:
            Exception: There is none: what was raised when it was asked.
        """
        with self._lock:
            lock = self._locks.setdefault(question, threading.Lock())
        with lock:
            if question not in self._answers:
                try:
                    self._answers[question] = ask()
                except Exception as error:
                    self._answers[question] = error
            found: Answer | Exception = self._answers[question]
        if isinstance(found, Exception):
            raise found
        return found


class FirstAlone:
    """Requests to one server: the first is sent alone, and where it gets no answer at all, no other one is sent."""

    def __init__(self, *silence: type[Exception]) -> None:
        """Take the exceptions which say that there was no answer."""
        self._silence, self._lock, self._met = silence, threading.Lock(), False
        self._problem: Exception | None = None

    def ask(self, request: Callable[[], Answer]) -> Answer:
        """Return the answer to a request.

        After one without an answer, which may say nothing of other questions, the next one is sent alone again.
        """
        with self._lock:
            if not self._met and not self._problem:
                try:
                    answer = request()
                except self._silence as error:
                    # Each further request would wait for its timeout.
                    self._problem = error
                    raise
                finally:
                    self._met = True
                return answer
        return self.ask_beside(request)

    def ask_beside(self, request: Callable[[], Answer]) -> Answer:
        """Return the answer to a request that waits for no other one, such as a list of many pages."""
        if self._problem:
            raise self._problem
        try:
            return request()
        except self._silence:
            self._met = False
            raise
