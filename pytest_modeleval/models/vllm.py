"""vLLM in process: its asynchronous engine, which batches whatever is in flight.

Replies are greedy or seeded, but vLLM promises no equal digits for another make-up of the batch;
with `VLLM_BATCH_INVARIANT=1` it does, on the hardware that has it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import difflib
import itertools
import multiprocessing
import os
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from multiprocessing.process import BaseProcess
from typing import Any

from pytest_modeleval.errors import EngineDied, ModelError, RequestError, UsageError
from pytest_modeleval.models.chat_format import (
    text_messages,
    tool_definitions,
    without_first_token,
)
from pytest_modeleval.models.continuations import split
from pytest_modeleval.models.messages import Message, Tool
from pytest_modeleval.models.protocol import (
    Capabilities,
    Generation,
    Identity,
    LogLikelihood,
    Request,
    Sampling,
    TokenLogprob,
    Usage,
)
from pytest_modeleval.models.token_budget import TokenBudget
from pytest_modeleval.models.vllm_process import OWNER
from pytest_modeleval.models.weights import (
    checkpoint_files,
    checkpoint_folder,
    revision,
    settings,
)

# Tokens of log-likelihood requests that vLLM is given at once. It computes the logits of every
# token of such a prompt, outside of the memory that it planned for.
LOGLIKELIHOOD_TOKENS = 16384
SEEDS = 1 << 63
# How long vLLM's processes are asked to end before they are killed.
PATIENCE_S = 15


class VllmBackend:
    """A checkpoint, local or of the hub, answered for by vLLM in this process and its children.

    Args:
        name: Path of a checkpoint, or a name on the hub (looked for in the local cache alone when
            `HF_HUB_OFFLINE=1`).
        concurrency: Requests in a batch (vLLM's max_num_seqs).
        arguments: Any field of vLLM's `AsyncEngineArgs`, such as max_model_len, dtype,
            tensor_parallel_size or gpu_memory_utilization. `max_num_batched_tokens` bounds the
            memory that log-likelihoods take.
    """

    def __init__(self, name: str, *, concurrency: int = 256, **arguments: Any) -> None:
        self.concurrency = concurrency
        self._name = name
        self._arguments = arguments
        self._engine: Any = None
        self._tokenizer: Any = None
        self._sampling_params: Any = None
        self._vllm: Any = None
        self._processes: list[BaseProcess] = []
        self._numbers = itertools.count()
        self._starting = asyncio.Lock()
        self._budget = TokenBudget(LOGLIKELIHOOD_TOKENS)
        self._capabilities = Capabilities()
        self._identity = Identity("vllm", name)

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    @property
    def identity(self) -> Identity:
        return self._identity

    async def start(self) -> None:
        """Load the checkpoint. Raises ModelError when it is no model, UsageError for an argument
        that vLLM does not know."""
        async with self._starting:
            if self._engine is None:
                await self._load()

    async def generate(self, request: Request) -> Generation:
        """Answer one request. Raises RequestError, also for a prompt that is too long, and
        EngineDied."""
        begun = time.perf_counter()
        if request.messages is None:
            prompt: dict[str, Any] = {"prompt": request.prompt}
        else:
            prompt = {"prompt_token_ids": self._chat_tokens(request)}
        output = await self._ask(prompt, **_sampling(request.sampling))
        return _generation(output, time.perf_counter() - begun, request.sampling.logprobs)

    async def loglikelihood(
        self, context: str | None, continuations: Sequence[str]
    ) -> list[LogLikelihood]:
        """ln p of each continuation after the context, read off vLLM's prompt log-probabilities."""
        self._ready()
        pairs = split(self._encode, context, continuations)
        return list(await asyncio.gather(*(self._score(before, after) for before, after in pairs)))

    async def aclose(self) -> None:
        """End vLLM's processes, and with them every request that is running."""
        engine, self._engine, self._tokenizer = self._engine, None, None
        if engine is not None:
            await asyncio.to_thread(_shut_down, engine, self._processes)

    async def _load(self) -> None:
        # vLLM's children inherit these; it reads them when it is imported.
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        os.environ["VLLM_NO_USAGE_STATS"] = "1"
        os.environ[OWNER] = str(os.getpid())
        self._vllm = await asyncio.to_thread(_import_vllm)
        folder = checkpoint_folder("vllm", self._name)
        config = await asyncio.to_thread(self._config)
        others = multiprocessing.active_children()
        try:
            # The sockets to vLLM's processes belong to the loop that they are opened on, so this
            # part cannot leave it.
            self._engine = self._vllm.AsyncLLM.from_vllm_config(config)
            self._tokenizer = self._engine.get_tokenizer()
            self._processes = [
                each for each in multiprocessing.active_children() if each not in others
            ]
        except Exception as error:
            raise ModelError(
                f"vllm: {self._name} could not be loaded: {_first_line(error)} "
                "(vLLM's own log, above, says more)"
            ) from None
        chat = bool(getattr(self._tokenizer, "chat_template", None))
        self._capabilities = Capabilities(
            chat=chat, completion=True, loglikelihood=True, logprobs=True
        )
        commit = getattr(config.model_config.hf_config, "_commit_hash", None)
        self._identity = Identity(
            backend="vllm",
            name=self._name,
            revision=await asyncio.to_thread(revision, checkpoint_files(folder))
            if folder
            else commit,
            backend_version=self._vllm.version,
            details={
                **await asyncio.to_thread(settings, self._arguments),
                "dtype": str(config.model_config.dtype).removeprefix("torch."),
            },
        )

    def _config(self) -> Any:
        known = [field.name for field in dataclasses.fields(self._vllm.AsyncEngineArgs)]
        for name in self._arguments:
            if name not in known:
                near = difflib.get_close_matches(name, ["concurrency", *known])
                hint = (
                    f"did you mean {' or '.join(near)}?"
                    if near
                    else "known ones are concurrency and the fields of vLLM's AsyncEngineArgs, "
                    "such as max_model_len, dtype and tensor_parallel_size"
                )
                raise UsageError(f"vllm: unknown argument {name!r}: {hint}")
        try:
            arguments = self._vllm.AsyncEngineArgs(
                **{
                    "model": self._name,
                    "max_num_seqs": self.concurrency,
                    **self._arguments,
                }
            )
            return arguments.create_engine_config()
        except Exception as error:
            raise ModelError(f"vllm: {self._name}: {_first_line(error)}") from None

    async def _ask(self, prompt: dict[str, Any], **sampling: Any) -> Any:
        """vLLM's final output for one prompt. Cancelling aborts the request in the engine."""
        engine = self._ready()
        try:
            parameters = self._vllm.SamplingParams(
                output_kind=self._vllm.RequestOutputKind.FINAL_ONLY, **sampling
            )
            (rendered,) = await engine.renderer.render_cmpl_async([prompt])
            name = f"modeleval-{next(self._numbers)}"
            outputs = [each async for each in engine.generate(rendered, parameters, name)]
        except (TypeError, ValueError, self._vllm.VLLMClientError) as error:
            raise RequestError(f"vllm: {_first_line(error)}", status=400) from None
        except self._vllm.EngineDeadError:
            raise EngineDied("vllm's own log, above, says why") from None
        if not outputs or outputs[-1].outputs[0].finish_reason == "abort":
            raise RequestError("vllm: the request was abandoned by the engine")
        return outputs[-1]

    def _ready(self) -> Any:
        if self._engine is None:
            raise RequestError(f"vllm: {self._name} is not loaded")
        return self._engine

    def _encode(self, text: str) -> list[int]:
        tokens: list[int] = self._tokenizer.encode(text)
        return tokens

    def chat_context(self, messages: Sequence[Message]) -> str:
        """The text that the chat template makes of a dialogue, to be the context of a
        log-likelihood: without the token that the tokenizer puts before every text by itself."""
        return without_first_token(self._tokenizer, self._chat_text(messages))

    def _chat_text(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> str:
        self._ready()
        text: str = self._tokenizer.apply_chat_template(
            text_messages(messages),
            tools=tool_definitions(tools) or None,
            add_generation_prompt=True,
            tokenize=False,
        )
        return text

    def _chat_tokens(self, request: Request) -> list[int]:
        text = self._chat_text(request.messages or (), request.tools)
        tokens: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return tokens

    async def _score(self, before: list[int], after: list[int]) -> LogLikelihood:
        if not after:
            return LogLikelihood(0.0, 0, True)
        whole = before + after
        async with self._budget.take(len(whole)):
            output = await self._ask(
                {"prompt_token_ids": whole},
                temperature=0.0,
                max_tokens=1,
                prompt_logprobs=0,
                detokenize=False,
            )
        given = [
            entry[token]
            for entry, token in zip(output.prompt_logprobs[len(before) :], after, strict=True)
        ]
        return LogLikelihood(
            sum=sum(entry.logprob for entry in given),
            tokens=len(given),
            is_greedy=all(entry.rank == 1 for entry in given),
        )


@dataclasses.dataclass(frozen=True)
class _Vllm:
    """The parts of vLLM that are used here, imported late."""

    AsyncLLM: Any
    AsyncEngineArgs: Any
    SamplingParams: Any
    RequestOutputKind: Any
    VLLMClientError: Any
    EngineDeadError: Any
    version: str


def _import_vllm() -> _Vllm:
    try:
        sampling = import_module("vllm.sampling_params")
        return _Vllm(
            AsyncLLM=import_module("vllm.v1.engine.async_llm").AsyncLLM,
            AsyncEngineArgs=import_module("vllm.engine.arg_utils").AsyncEngineArgs,
            SamplingParams=sampling.SamplingParams,
            RequestOutputKind=sampling.RequestOutputKind,
            VLLMClientError=import_module("vllm.exceptions").VLLMClientError,
            EngineDeadError=import_module("vllm.v1.engine.exceptions").EngineDeadError,
            version=import_module("vllm").__version__,
        )
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] != "vllm":
            raise ModelError(
                f"vllm: it is installed, but cannot be imported ({error}): expected a vLLM of "
                "0.32 or later with all its dependencies"
            ) from None
        raise ModelError(
            "vllm: needs the package vllm: pip install 'pytest-modeleval[vllm]'"
        ) from None


def _shut_down(engine: Any, processes: list[BaseProcess]) -> None:
    # Past its patience vLLM kills a process without waiting for it to be gone, and a GPU's memory
    # is free only then.
    engine.shutdown(PATIENCE_S)
    for process in processes:
        process.join()


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__


def _sampling(sampling: Sampling) -> dict[str, Any]:
    said = {
        "temperature": sampling.temperature,
        "max_tokens": sampling.max_tokens,
        "stop": list(sampling.stop),
        "seed": None if sampling.seed is None else sampling.seed % SEEDS,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "logprobs": sampling.logprobs,
    }
    return {name: value for name, value in said.items() if value is not None} | dict(sampling.extra)


def _generation(output: Any, latency_s: float, logprobs: int | None) -> Generation:
    completion, metrics = output.outputs[0], output.metrics
    count = len(completion.token_ids)
    timed = metrics is not None and count > 0
    return Generation(
        text=completion.text,
        finish_reason=completion.finish_reason,
        usage=Usage(
            prompt_tokens=len(output.prompt_token_ids),
            completion_tokens=count,
            cached_tokens=output.num_cached_tokens,
        ),
        logprobs=None
        if logprobs is None
        else tuple(
            _token_logprob(token, entry, logprobs)
            for token, entry in zip(completion.token_ids, completion.logprobs, strict=True)
        ),
        ttft_s=metrics.first_token_latency if timed else None,
        tpot_s=(metrics.last_token_ts - metrics.first_token_ts) / (count - 1)
        if timed and count > 1
        else None,
        latency_s=latency_s,
    )


def _token_logprob(token: int, entry: Mapping[int, Any], count: int) -> TokenLogprob:
    top = sorted(entry.values(), key=lambda each: each.rank)[:count]
    chosen = entry[token]
    return TokenLogprob(
        chosen.decoded_token or "",
        chosen.logprob,
        tuple((each.decoded_token or "", each.logprob) for each in top),
    )
