"""Recorded replies: a JSONL file, or the folder of an earlier run.

Both hold an index of digests, and read a reply when it is asked for.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Sequence
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any, Protocol

from pytest_modeleval.errors import CapabilityError, ModelError, ModelevalError, RequestError
from pytest_modeleval.models.messages import ToolCall, last_user_text
from pytest_modeleval.models.protocol import Generation, LogLikelihood, Origin, Request
from pytest_modeleval.results.run_folder import run_path


class Recording(Protocol):
    """What was once answered. `fingerprint` is a hash of it all."""

    fingerprint: str
    has_loglikelihoods: bool

    def reply(self, request: Request) -> Generation:
        """Raises RequestError, naming the sample, when there is none."""
        ...

    def loglikelihood(
        self, context: str | None, continuations: Sequence[str]
    ) -> list[LogLikelihood]:
        """Raises RequestError when there is none."""
        ...


def open_recording(path: Path, alias: str | None) -> Recording:
    """Read and check what lies at `path`. `alias` says which of a run's models to replay."""
    path = run_path(path)
    if path.is_dir():
        return RunRecording(path, alias)
    if not path.is_file():
        raise ModelError(
            f"replay: {path} does not exist: give a JSONL file of replies, or the folder of a run"
        )
    return LinesRecording(path)


class LinesRecording:
    """A JSONL of `{"id" or "prompt": …, "reply": text, or a list of texts, one per epoch}`.

    A line with an id may say of which "benchmark" it speaks; it answers every call of its sample.
    A prompt is a completion's whole prompt, or a chat's last message of the user.
    """

    has_loglikelihoods = False

    def __init__(self, path: Path) -> None:
        self._path = path
        if path.stat().st_size == 0:
            raise ModelError(f"replay: {path} is empty")
        with path.open("rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._offsets: dict[bytes, int] = {}
        lines: dict[bytes, int] = {}
        offset = 0
        for number, line in enumerate(iter(self._bytes.readline, b""), start=1):
            if line.strip():
                key = self._key(line, number)
                if key in lines:
                    raise ModelError(
                        f"replay: {path}:{number}: this sample was answered in line {lines[key]} "
                        "already: one line for each, with a list of replies for epochs"
                    )
                lines[key] = number
                self._offsets[key] = offset
            offset += len(line)
        self.fingerprint = sha256(self._bytes).hexdigest()

    def reply(self, request: Request) -> Generation:
        origin, prompt = request.origin, _prompt(request)
        keys = [_digest("prompt", prompt)]
        if origin is not None:
            keys = [
                _digest("id", origin.benchmark, origin.sample_id),
                _digest("id", "", origin.sample_id),
                *keys,
            ]
        offset = next((self._offsets[key] for key in keys if key in self._offsets), None)
        if offset is None:
            raise RequestError(f"{self._path} has no reply for {_named(origin, prompt)}")
        end = self._bytes.find(b"\n", offset)
        reply = json.loads(self._bytes[offset : end if end >= 0 else None])["reply"]
        texts = [reply] if isinstance(reply, str) else reply
        epoch = origin.epoch if origin is not None else 0
        if epoch >= len(texts):
            raise RequestError(
                f"{self._path} has {len(texts)} replies for {_named(origin, prompt)}, and none "
                f"for epoch {epoch}"
            )
        return Generation(texts[epoch])

    def loglikelihood(
        self, context: str | None, continuations: Sequence[str]
    ) -> list[LogLikelihood]:
        raise CapabilityError(
            f"{self._path} holds replies and no log-likelihoods: replay the folder of a run"
        )

    def _key(self, line: bytes, number: int) -> bytes:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self._wrong(number, f"not JSON ({error})") from None
        if not isinstance(record, dict):
            raise self._wrong(number, "not an object")
        reply = record.get("reply")
        texts = reply if isinstance(reply, list) else [reply]
        if not texts or not all(isinstance(text, str) for text in texts):
            raise self._wrong(number, '"reply" is not a text or a list of texts')
        name = record.get("id")
        if isinstance(name, (str, int)) and not isinstance(name, bool):
            benchmark = record.get("benchmark") or ""
            if not isinstance(benchmark, str):
                raise self._wrong(number, '"benchmark" is not a text')
            return _digest("id", benchmark, str(name))
        prompt = record.get("prompt")
        if name is None and isinstance(prompt, str):
            return _digest("prompt", prompt)
        raise self._wrong(number, 'it needs an "id" or a "prompt" that is a text')

    def _wrong(self, number: int, what: str) -> ModelError:
        return ModelError(
            f'replay: {self._path}:{number}: {what}; expected {{"id": …, "reply": …}}'
        )


class RunRecording:
    """The details files of an earlier run, by benchmark, sample id, epoch and number of the call.

    A call that was asked the same goes before one that has only the same number, since calls that
    ran at once are recorded as they ended. Log-likelihoods are found by their context
    and continuations.
    """

    def __init__(self, folder: Path, alias: str | None) -> None:
        from pytest_modeleval.results.details import details_files, read_details

        self._folder = folder
        try:
            table = _of_one_model(read_details(folder, columns=_COLUMNS), alias, folder)
        except ModelevalError as error:
            raise ModelError(f"replay: {error}") from None
        hashed = sha256()
        for file in details_files(folder):
            hashed.update(file.read_bytes())
        self.fingerprint = hashed.hexdigest()
        self._calls: Any = table["calls"]
        self._benchmarks = table["benchmark"].unique().to_pylist()
        self._rows: dict[bytes, int] = {}
        identities = (table[name].to_pylist() for name in ("benchmark", "id", "epoch"))
        for row, (benchmark, sample_id, epoch) in enumerate(zip(*identities, strict=True)):
            key = _digest(benchmark, sample_id, str(epoch))
            if key in self._rows:
                raise ModelError(
                    f"replay: {folder}: {sample_id} of {benchmark}, epoch {epoch}, is there twice"
                )
            self._rows[key] = row
        self._loglikelihoods = _loglikelihood_index(self._calls)
        self.has_loglikelihoods = bool(self._loglikelihoods)

    def reply(self, request: Request) -> Generation:
        origin, prompt = request.origin, _prompt(request)
        if origin is None:
            raise RequestError(f"{self._folder}: a run is replayed sample by sample")
        row = self._rows.get(_digest(origin.benchmark, origin.sample_id, str(origin.epoch)))
        named = f"{_named(origin, prompt)}, epoch {origin.epoch}"
        if row is None:
            raise RequestError(
                f"{self._folder} has no reply for {named}; its benchmarks are "
                f"{', '.join(self._benchmarks)}"
            )
        calls = self._calls[row].as_py()
        call = calls[origin.call] if origin.call < len(calls) else None
        if call is not None and _recorded_prompt(call) != prompt:
            call = next((each for each in calls if _recorded_prompt(each) == prompt), call)
        if call is None or call["reply"] is None:
            raise RequestError(f"{self._folder} has no reply for {named}, call {origin.call}")
        return Generation(
            call["reply"],
            tool_calls=tuple(
                ToolCall(each["id"], each["name"], each["arguments"])
                for each in call["tool_calls"] or ()
            ),
        )

    def loglikelihood(
        self, context: str | None, continuations: Sequence[str]
    ) -> list[LogLikelihood]:
        found = self._loglikelihoods.get(_digest(context, *continuations))
        if found is None:
            raise RequestError(
                f"{self._folder} has no log-likelihoods of these continuations after "
                f"{_shown(context or '')}"
            )
        calls, position = found
        return [
            LogLikelihood(each["sum"], each["tokens"], each["is_greedy"])
            for each in calls[position]["loglikelihoods"].as_py()
        ]


_CALL_FIELDS = ("kind", "messages", "reply", "tool_calls", "loglikelihoods")
_COLUMNS = [
    *("benchmark", "model", "id", "epoch"),
    *(f"calls.list.element.{name}" for name in _CALL_FIELDS),
]


def _of_one_model(table: Any, alias: str | None, folder: Path) -> Any:
    import pyarrow.compute as pc

    models = table["model"].unique().to_pylist()
    if alias is None and len(models) <= 1:
        return table
    if alias not in models:
        raise ModelError(
            f"replay: {folder} holds replies of {', '.join(models)}: choose one with alias="
        )
    return table.filter(pc.equal(table["model"], alias))


def _loglikelihood_index(calls: Any) -> dict[bytes, tuple[Any, int]]:
    """From context and continuations to the array of calls and the place in it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    index: dict[bytes, tuple[Any, int]] = {}
    kinds = pa.array(["loglikelihood", "perplexity"])
    for chunk in calls.chunks:
        flat = chunk.flatten()
        for place in pc.indices_nonzero(pc.is_in(flat.field("kind"), kinds)).to_pylist():
            call = flat[place]
            messages = call["messages"].as_py()
            context = messages[0]["content"] if messages else None
            said = [each["continuation"] for each in call["loglikelihoods"].as_py()]
            index.setdefault(_digest(context, *said), (flat, place))
    return index


def _prompt(request: Request) -> str:
    if request.messages is None:
        return request.prompt or ""
    return last_user_text(request.messages)


def _recorded_prompt(call: dict[str, Any]) -> str | None:
    """`_prompt` of a recorded call, None for one that generated nothing."""
    if call["reply"] is None:
        return None
    for message in reversed(call["messages"]):
        if message["role"] in ("user", "prompt"):
            if message["content"] is not None:
                return str(message["content"])
            return "".join(part["text"] or "" for part in message["parts"])
    return ""


def _digest(*parts: str | None) -> bytes:
    return blake2b(json.dumps(parts).encode(), digest_size=16).digest()


def _named(origin: Origin | None, prompt: str) -> str:
    if origin is None:
        return f"the prompt {_shown(prompt)}"
    return f"sample {origin.sample_id} of {origin.benchmark}"


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 60 else text[:60] + "...")
