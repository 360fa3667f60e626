"""The digests of one epoch of a sample, made while its texts are at hand."""

from __future__ import annotations

import json

from pytest_modeleval.datasets.sample import Sample, as_text
from pytest_modeleval.recorder import Recorder
from pytest_modeleval.results.digests import digest, total
from pytest_modeleval.results.record import Call


def digests_of(sample: Sample, recorder: Recorder) -> dict[str, str | None]:
    """By kind, as `digests.KINDS` has them; examples, prompts and replies only where there are any.
    In which order calls of one body end makes no difference."""
    own = (sample.id, str(recorder.epoch))
    found: dict[str, str | None] = {
        "inputs": digest(*own, as_text(sample.input), as_text(sample.target))
    }
    if sample.few_shot:
        shown = [text for each in sample.few_shot for text in (each.input, each.target)]
        found["few_shot"] = digest(*own, *map(as_text, shown))
    if len(recorder.calls) == 1:
        found["prompts"] = recorder.requests[0][1]
        found["outputs"] = digest(*own, _reply(recorder.calls[0]))
    elif recorder.calls:
        found["prompts"] = total(request for _, request in recorder.requests)
        calls = sorted(zip(recorder.requests, map(_reply, recorder.calls)))
        found["outputs"] = digest(*own, *(reply for _, reply in calls))
    return found


def _reply(call: Call) -> str:
    if call.tool_calls or call.loglikelihoods:
        return json.dumps([call.reply, call.tool_calls, call.loglikelihoods])
    return call.reply if call.reply is not None else "\0none"
