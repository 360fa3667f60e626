"""A checkpoint run by the library `transformers`, in this process.

Requests that wait are taken together as one padded batch; those that come meanwhile wait for its
end. Sampling with a seed does not depend on the batch. Logits do a little: a sum of floats depends
on how a batch is cut, so a reply can differ where two tokens are all but equally likely. Only
`concurrency=1` makes every digit repeatable.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from pytest_modeleval.errors import ModelError, RequestError, UsageError
from pytest_modeleval.models import continuations as tokens_of
from pytest_modeleval.models.chat_format import (
    text_messages,
    tool_definitions,
    without_first_token,
)
from pytest_modeleval.models.messages import Message, Tool
from pytest_modeleval.models.protocol import (
    Capabilities,
    Generation,
    Identity,
    LogLikelihood,
    Request,
    Usage,
)
from pytest_modeleval.models.weights import (
    checkpoint_files,
    checkpoint_folder,
    revision,
    settings,
)

Pair = tuple[list[int], list[int]]


@dataclass(eq=False)
class _Job:
    """A request that waits: either the row of a generation, or pairs to score."""

    done: asyncio.Future[Any]
    row: Any = None
    pairs: list[Pair] = field(default_factory=list)


class TransformersBackend:
    """A checkpoint, local or of the hub, answered for by `transformers` in this process.

    Args:
        name: Path of a checkpoint, or a name on the hub (looked for in the local cache alone when
            `HF_HUB_OFFLINE=1`).
        concurrency: Rows of a batch.
        device: Such as "cuda:1" or "cpu"; "auto" is a GPU where there is one.
        dtype: Such as "float32"; "auto" is the checkpoint's own.
        arguments: Anything else that `AutoModelForCausalLM.from_pretrained` takes.
    """

    def __init__(
        self,
        name: str,
        *,
        concurrency: int = 32,
        device: str = "auto",
        dtype: str = "auto",
        **arguments: Any,
    ) -> None:
        self.concurrency = concurrency
        self._name = name
        self._device = device
        self._arguments = {"dtype": dtype, **arguments}
        self._model: Any = None
        self._tokenizer: Any = None
        self._decoding: Any = None
        self._context = 0
        self._thread: ThreadPoolExecutor | None = None
        self._starting = asyncio.Lock()
        self._waiting: list[_Job] = []
        self._running: list[_Job] = []
        self._worker: asyncio.Task[None] | None = None
        self._capabilities = Capabilities()
        self._identity = Identity("transformers", name)

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    @property
    def identity(self) -> Identity:
        return self._identity

    async def start(self) -> None:
        """Load the checkpoint. Raises ModelError when it is no model, UsageError for an argument
        that the library does not know."""
        async with self._starting:
            if self._model is None:
                await asyncio.to_thread(self._load)

    async def generate(self, request: Request) -> Generation:
        """Answer one request. Raises RequestError, also for a prompt that is too long."""
        begun = time.perf_counter()
        self._ready()
        prompt = self._prompt(request)
        room = min(request.sampling.max_tokens, self._context - len(prompt))
        if room <= 0:
            raise RequestError(
                f"transformers: the prompt has {len(prompt)} tokens, which leaves no room for a "
                f"reply in the {self._context} of the context: shorten it"
            )
        row = self._decoding.Row(prompt, request.sampling, room)
        try:
            await self._do(_Job(asyncio.get_running_loop().create_future(), row=row))
        except asyncio.CancelledError:
            row.abandoned = True
            raise
        count = len(row.tokens)
        return Generation(
            text=row.text,
            finish_reason=row.finish_reason,
            usage=Usage(prompt_tokens=len(prompt), completion_tokens=count),
            logprobs=None if request.sampling.logprobs is None else tuple(row.logprobs),
            ttft_s=row.first_token_at - begun,
            tpot_s=(row.ended_at - row.first_token_at) / (count - 1) if count > 1 else None,
            latency_s=time.perf_counter() - begun,
        )

    async def loglikelihood(
        self, context: str | None, continuations: Sequence[str]
    ) -> list[LogLikelihood]:
        """ln p of each continuation after the context."""
        self._ready()
        pairs = [tokens_of.split(self._tokenizer.encode, context, each) for each in continuations]
        for before, after in pairs:
            if len(before) + len(after) > self._context:
                raise RequestError(
                    f"transformers: {len(before)} tokens of context and {len(after)} of "
                    f"continuation do not fit the {self._context} of the model"
                )
        done = asyncio.get_running_loop().create_future()
        answers: list[LogLikelihood] = await self._do(_Job(done, pairs=pairs))
        return answers

    def chat_context(self, messages: Sequence[Message]) -> str:
        """The text that the chat template makes of a dialogue, to be the context of a
        log-likelihood: without the token that the tokenizer puts before every text by itself."""
        return without_first_token(self._tokenizer, self._chat_text(messages))

    def _chat_text(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> str:
        text: str = self._tokenizer.apply_chat_template(
            text_messages(messages),
            tools=tool_definitions(tools) or None,
            add_generation_prompt=True,
            tokenize=False,
        )
        return text

    async def aclose(self) -> None:
        """Abandon what is running and free the model."""
        for job in self._waiting:
            job.done.cancel()
        for job in self._running:
            if job.row is not None:
                job.row.abandoned = True
        if self._worker is not None:
            await asyncio.gather(self._worker, return_exceptions=True)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.shutdown)
        self._thread = self._model = self._tokenizer = None
        gc.collect()
        if self._decoding is not None and self._decoding.torch.cuda.is_available():
            self._decoding.torch.cuda.empty_cache()

    def _load(self) -> None:
        try:
            self._decoding = import_module("pytest_modeleval.models.transformers_decoding")
        except ModuleNotFoundError as error:
            raise ModelError(
                f"transformers: needs the package {error.name}: "
                "pip install 'pytest-modeleval[transformers]'"
            ) from None
        torch, library = self._decoding.torch, self._decoding.transformers
        folder = checkpoint_folder("transformers", self._name)
        device = self._device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        quiet = library.utils.logging
        bars = quiet.is_progress_bar_enabled()
        quiet.disable_progress_bar()
        try:
            self._tokenizer = library.AutoTokenizer.from_pretrained(self._name)
            model = library.AutoModelForCausalLM.from_pretrained(self._name, **self._arguments)
            self._model = model.to(device).eval()
        except TypeError as error:
            raise UsageError(
                f"transformers: {self._name}: an argument is unknown or of the wrong kind: "
                f"{_first_line(error)}: expected concurrency, device, dtype, or what "
                "AutoModelForCausalLM.from_pretrained takes"
            ) from None
        except Exception as error:
            raise ModelError(
                f"transformers: {self._name} could not be loaded: {_first_line(error)}"
            ) from None
        finally:
            if bars:
                quiet.enable_progress_bar()
        config = model.config.get_text_config()
        self._context = getattr(config, "max_position_embeddings", None) or 1 << 20
        self._thread = ThreadPoolExecutor(1, "modeleval-transformers")
        self._capabilities = Capabilities(
            chat=bool(self._tokenizer.chat_template),
            completion=True,
            loglikelihood=True,
            logprobs=True,
        )
        self._identity = Identity(
            backend="transformers",
            name=self._name,
            revision=revision(checkpoint_files(folder))
            if folder
            else getattr(model.config, "_commit_hash", None),
            backend_version=library.__version__,
            details={
                **settings(self._arguments),
                "dtype": str(model.dtype).removeprefix("torch."),
                "device": device,
            },
        )

    def _ready(self) -> None:
        if self._model is None:
            raise RequestError(f"transformers: {self._name} is not loaded")

    def _prompt(self, request: Request) -> list[int]:
        tokens: list[int]
        if request.messages is None:
            tokens = self._tokenizer.encode(request.prompt)
        else:
            text = self._chat_text(request.messages, request.tools)
            tokens = self._tokenizer.encode(text, add_special_tokens=False)
        if not tokens:
            raise RequestError("transformers: the prompt is empty: expected a text")
        return tokens

    async def _do(self, job: _Job) -> Any:
        self._waiting.append(job)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await job.done

    async def _work(self) -> None:
        """Batch after batch, until nobody waits."""
        # Requests that are being made in this turn of the loop belong in the first batch.
        await asyncio.sleep(0)
        while batch := self._next_batch():
            self._running = batch
            try:
                answers = await asyncio.get_running_loop().run_in_executor(
                    self._thread, self._run, batch
                )
            except Exception as error:
                failure = RequestError(f"transformers: {_first_line(error)}")
                for job in batch:
                    if not job.done.done():
                        job.done.set_exception(failure)
            else:
                for job, answer in zip(batch, answers, strict=True):
                    if not job.done.done():
                        job.done.set_result(answer)
            self._running = []

    def _next_batch(self) -> list[_Job]:
        """The longest waiting job, and those that can share a batch with it."""
        self._waiting = [job for job in self._waiting if not job.done.done()]
        if not self._waiting:
            return []
        first = self._waiting[0]
        fitting = [
            job
            for job in self._waiting
            if (job.row is None) == (first.row is None)
            and (job.row is None or job.row.sampling.extra == first.row.sampling.extra)
        ]
        batch = fitting[: self.concurrency]
        taken = set(map(id, batch))
        self._waiting = [job for job in self._waiting if id(job) not in taken]
        return batch

    def _run(self, batch: list[_Job]) -> list[Any]:
        if batch[0].row is not None:
            self._decoding.generate(self._model, self._tokenizer, [job.row for job in batch])
            return [None] * len(batch)
        scored = iter(
            self._decoding.loglikelihoods(
                self._model, [pair for job in batch for pair in job.pairs]
            )
        )
        return [[next(scored) for _ in job.pairs] for job in batch]


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
