"""A checkpoint run by the library `transformers`, in this process.

Requests that wait are taken together as one padded batch; those that come meanwhile wait for its
end. Sampling with a seed does not depend on the batch. Logits do a little: a sum of floats depends
on how a batch is cut, so a reply can differ where two tokens are all but equally likely. Only
`concurrency=1` makes every digit repeatable.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from pytest_modeleval.errors import ModelError, RequestError, UsageError
from pytest_modeleval.models.batching import Batches
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
    SMALL,
    checkpoint_files,
    checkpoint_folder,
    revision,
    settings,
)


class TransformersBackend:
    """A checkpoint, local or of the hub, answered for by `transformers` in this process.

    Args:
        name: Path of a checkpoint, or a name on the hub (looked for in the local cache alone when
            `HF_HUB_OFFLINE=1`).
        concurrency: Rows of a batch. Twice as many requests are in flight, so that the next batch
            is complete when one ends.
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
        self.concurrency = 2 * concurrency
        self._rows = concurrency
        self._name = name
        self._device = device
        self._arguments = {"dtype": dtype, **arguments}
        self._model: Any = None
        self._tokenizer: Any = None
        self._decoding: Any = None
        self._likelihood: Any = None
        self._context = 0
        self._thread: ThreadPoolExecutor | None = None
        self._batches: Batches | None = None
        self._starting = asyncio.Lock()
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
        batches = self._ready()
        if request.messages is None:
            row = self._decoding.Row(request.prompt, True, request.sampling)
        else:
            text = self._chat_text(request.messages, request.tools)
            row = self._decoding.Row(text, False, request.sampling)
        try:
            await batches.ask(row, (row.special, request.sampling.extra))
        except asyncio.CancelledError:
            row.abandoned = True
            raise
        count = len(row.tokens)
        return Generation(
            text=row.text,
            finish_reason=row.finish_reason,
            usage=Usage(prompt_tokens=len(row.prompt), completion_tokens=count),
            logprobs=None if request.sampling.logprobs is None else tuple(row.logprobs),
            ttft_s=row.first_token_at - row.begun_at,
            tpot_s=(row.ended_at - row.first_token_at) / (count - 1) if count > 1 else None,
            latency_s=row.ended_at - row.begun_at,
        )

    async def loglikelihood(
        self, context: str | None, continuations: Sequence[str]
    ) -> list[LogLikelihood]:
        """ln p of each continuation after the context."""
        batches = self._ready()
        question = self._likelihood.Question(context, continuations)
        answers: list[LogLikelihood] = await batches.ask(question, None)
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
        if self._batches is not None:
            for row in self._batches.running:
                if isinstance(row, self._decoding.Row):
                    row.abandoned = True
            await self._batches.aclose()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.shutdown)
        self._thread = self._model = self._tokenizer = None
        gc.collect()
        if self._decoding is not None and self._decoding.torch.cuda.is_available():
            self._decoding.torch.cuda.empty_cache()

    def _load(self) -> None:
        try:
            self._decoding = import_module("pytest_modeleval.models.transformers_decoding")
            self._likelihood = import_module("pytest_modeleval.models.transformers_likelihood")
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
        self._thread = ThreadPoolExecutor(
            1,
            "modeleval-transformers",
            self._decoding.torch.set_num_threads,
            (1 if _is_small(model) else self._decoding.THREADS,),
        )
        self._batches = Batches(self._thread, self._rows, self._answer, _failure)
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

    def _ready(self) -> Batches:
        if self._model is None or self._batches is None:
            raise RequestError(f"transformers: {self._name} is not loaded")
        return self._batches

    def _answer(self, batch: list[Any]) -> Sequence[Any]:
        """A batch of rows, which are filled in, or of questions."""
        rows = isinstance(batch[0], self._decoding.Row)
        answer = self._decoding.generate if rows else self._likelihood.score
        answers: Sequence[Any] = answer(self._model, self._tokenizer, batch, self._context)
        return answers


def _failure(error: Exception) -> RequestError:
    return RequestError(f"transformers: {_first_line(error)}")


def _is_small(model: Any) -> bool:
    size: int = sum(each.numel() * each.element_size() for each in model.parameters())
    return size < SMALL


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
