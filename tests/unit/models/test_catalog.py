"""From `--model` to a backend."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modeleval.errors import UsageError
from pytest_modeleval.models.catalog import (
    BACKENDS,
    ModelSpec,
    by_alias,
    open_backend,
    parse_spec,
)


class TestParseSpec:
    @pytest.mark.parametrize(
        ("text", "alias", "backend", "name"),
        [
            ("openai:gpt-4o", "gpt-4o", "openai", "gpt-4o"),
            ("vllm:org/model-7b", "model-7b", "vllm", "org/model-7b"),
            ("vllm:./out/checkpoint/", "checkpoint", "vllm", "./out/checkpoint/"),
            ("llamacpp:/models/small.gguf", "small", "llamacpp", "/models/small.gguf"),
            ("replay:answers.jsonl", "answers", "replay", "answers.jsonl"),
            ("openai:ft:gpt-4o:me::x", "ft_gpt-4o_me_x", "openai", "ft:gpt-4o:me::x"),
            ("echo:", "echo", "echo", ""),
            ("echo:a [b]", "a_b_", "echo", "a [b]"),
        ],
    )
    def test_backend_and_name(self, text: str, alias: str, backend: str, name: str) -> None:
        assert parse_spec(text, {}, {}) == ModelSpec(alias, backend, name)

    def test_sampling_is_told_from_arguments(self) -> None:
        spec = parse_spec("openai:x", {"temperature": 0.5, "base_url": "u", "stop": "."}, {})
        assert spec.arguments == {"base_url": "u"}
        assert spec.sampling == {"temperature": 0.5, "stop": (".",)}

    def test_tiny_is_the_model_that_ships(self) -> None:
        spec = parse_spec("tiny", {"n_ctx": 64}, {})
        assert (spec.alias, spec.backend) == ("tiny", "llamacpp")
        assert Path(spec.name).is_file()

    def test_an_alias(self) -> None:
        aliases = {"fast": {"model": "openai:org/x", "base_url": "u", "temperature": 0.5}}
        spec = parse_spec("fast", {"base_url": "v"}, aliases)
        assert spec == ModelSpec("fast", "openai", "org/x", {"base_url": "v"}, {"temperature": 0.5})

    def test_an_alias_of_tiny(self) -> None:
        assert parse_spec("small", {}, {"small": {"model": "tiny"}}).backend == "llamacpp"

    @pytest.mark.parametrize(
        ("text", "hint"),
        [("ehco", "Did you mean echo:NAME?"), ("tny", "Did you mean tiny?"), ("xyz", "")],
    )
    def test_neither(self, text: str, hint: str) -> None:
        with pytest.raises(UsageError) as error:
            parse_spec(text, {}, {"fast": {"model": "echo:"}})
        assert f"unknown model {text!r}; expected one of fast, tiny, openai:NAME" in str(
            error.value
        )
        assert str(error.value).endswith(hint)

    @pytest.mark.parametrize(
        ("given", "sentence"),
        [
            ({"temperature": "hot"}, "temperature='hot': expected a number of 0 or more"),
            ({"temperature": -1}, "temperature=-1: expected a number of 0 or more"),
            ({"temperature": float("nan")}, "temperature=nan: expected a number"),
            ({"max_tokens": 0}, "max_tokens=0: expected a whole number of 1 or more"),
            ({"max_tokens": 1.5}, "max_tokens=1.5: expected a whole number of 1 or more"),
            ({"max_tokens": True}, "max_tokens=True: expected a whole number of 1 or more"),
            ({"stop": 3}, "stop=3: expected a text or a list of texts"),
            ({"stop": [3]}, "stop=[3]: expected a text or a list of texts"),
            ({"top_p": 2}, "top_p=2: expected a number above 0 and up to 1"),
            ({"seed": "x"}, "seed='x': expected a whole number of 0 or more"),
            ({"extra": 3}, "extra=3: expected a mapping"),
        ],
    )
    def test_decoding_that_cannot_be_meant(self, given: dict[str, object], sentence: str) -> None:
        with pytest.raises(UsageError) as error:
            parse_spec("echo:", given, {})
        assert str(error.value).startswith(f"sampling parameter {sentence}")


class TestByAlias:
    @pytest.mark.parametrize(
        ("texts", "aliases"),
        [
            (["echo:a", "echo:b"], ["a", "b"]),
            (["echo:x/a", "echo:y/a"], ["x_a", "y_a"]),
            (["echo:a", "openai:a"], ["echo_a", "openai_a"]),
            (["echo:1/x/a", "echo:2/x/a"], ["x_a", "echo_2_x_a"]),
            (["echo:a b", "echo:a_b", "echo:a?b"], ["echo_a_b", "a_b-2", "a_b-3"]),
            (["echo:x/a", "echo:y/a", "echo:x_a"], ["echo_x_a", "y_a", "x_a"]),
        ],
    )
    def test_every_model_has_its_own(self, texts: list[str], aliases: list[str]) -> None:
        specs = [parse_spec(text, {}, {}) for text in texts]
        found = by_alias(specs)
        assert list(found) == aliases
        assert [spec.alias for spec in found.values()] == aliases
        assert [spec.name for spec in found.values()] == [spec.name for spec in specs]


class TestOpenBackend:
    def test_takes_arguments(self) -> None:
        backend = open_backend(ModelSpec("e", "echo", "e", {"concurrency": 3}), BACKENDS)
        assert backend.concurrency == 3

    def test_unknown_argument(self) -> None:
        with pytest.raises(UsageError, match=r"echo: unknown argument 'latncy'; .*latency"):
            open_backend(ModelSpec("e", "echo", "e", {"latncy": 3}), BACKENDS)

    def test_unknown_backend(self) -> None:
        with pytest.raises(UsageError, match=r"unknown backend 'opena'; .*Did you mean 'openai'"):
            open_backend(ModelSpec("e", "opena", "x"), BACKENDS)
