"""Every error that a user can cause or meet. Each carries one sentence that says what to do."""

from __future__ import annotations


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
    """One request failed for good. `status` is the HTTP status where there is one."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class SampleTimeout(ModelevalError):
    """A body took longer than its sample is given."""
