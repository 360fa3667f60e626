"""Every error that a user can cause or meet. Each carries one sentence that says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_modeleval.models.protocol import Usage


class ModelevalError(Exception):
    """Root of this package's errors. `str(error)` is one clear sentence, shown as it is."""


class UsageError(ModelevalError):
    """The command line, the environment, the table or a benchmark's definition is wrong."""


class GateError(UsageError):
    """A gate does not parse, names an unknown metric, or has a threshold out of range."""


class DatasetError(UsageError):
    """A dataset is at hand but wrong: a malformed line, a missing field, ids given twice."""


class DatasetMissing(ModelevalError):
    """A dataset is not at hand: the sentence says where it was looked for and how to get it."""


class ModelError(ModelevalError):
    """A model could not be loaded or reached, or did not answer a request."""


class CapabilityError(ModelError):
    """The model cannot do what was asked: chat without a chat template, log-likelihoods, tools."""


class RequestError(ModelError):
    """One request failed. `status` is the HTTP status where there is one.

    `retryable` says that the same request may succeed if it is sent again; unless it is given, the
    status decides. `retry_after` is how many seconds the server wants to be left alone, if it said.
    `attempts` counts how often it was sent; `usage` are the tokens that it took all the same, if
    the server said, and `cost` US dollars.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retryable = is_passing(status) if retryable is None else retryable
        self.retry_after = retry_after
        self.attempts = 1
        self.usage: Usage | None = None
        self.cost: float | None = None


class EngineDied(RequestError):
    """The engine that a backend holds in this process is gone: it is started anew, and what was in
    it is asked again. The sentence says what is known of the cause."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=True)


def is_passing(status: int | None) -> bool:
    """Whether an HTTP status speaks of the moment and not of the request."""
    return status is not None and (status in (408, 409, 429) or status >= 500)


class WrongSample(AssertionError):
    """A sample is wrong, by a body that no author wrote: the sentence is all that is shown."""


class StopRun(ModelevalError):
    """Nothing more can be asked of the model: a wrong key, a server that stays dead, a budget that
    is spent. Samples that meet it, and all that follow, are not run; they are no errors."""


class SampleTimeout(ModelevalError):
    """A body took longer than its sample is given."""
