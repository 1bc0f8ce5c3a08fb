"""The two ways in which work ends early: an error that a user reads, and a verdict on one image."""

from __future__ import annotations


class ImagemillError(Exception):
    """What a user sees when a run fails: what happened, where, and what to do now.

    ``exit_code`` is 1 when the run failed and 2 when the request was wrong (a bad file, an unknown name).
    """

    exit_code = 1


class RequestError(ImagemillError):
    """The request was wrong: nothing was started, nothing was written."""

    exit_code = 2


class Rejected(Exception):
    """A verdict on one image's bytes: it leaves the dataset, with a stable reason and a message for a person.

    ``reason`` is a stable code (``truncated``, ``blurry``); ``step`` is the step's id (``load`` where none names it).
    ``measure`` and ``limit`` say by how much, where the verdict is a threshold on a number.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        step: str = "load",
        measure: float | None = None,
        limit: float | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.step = step
        self.measure = measure
        self.limit = limit

    def __reduce__(self) -> tuple[object, ...]:
        return (_rejected, (self.reason, self.message, self.step, self.measure, self.limit))


def _rejected(reason: str, message: str, step: str, measure: float | None, limit: float | None) -> Rejected:
    return Rejected(reason, message, step=step, measure=measure, limit=limit)
