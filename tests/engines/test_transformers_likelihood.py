"""Log-likelihoods with `transformers`, however they are cut into passes and whatever is shared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_modeleval.errors import RequestError

REASON = "needs torch and transformers: pip install 'pytest-modeleval[transformers]'"
torch: Any = pytest.importorskip("torch", reason=REASON)
transformers: Any = pytest.importorskip("transformers", reason=REASON)
likelihood: Any = pytest.importorskip("pytest_modeleval.models.transformers_likelihood")
Question: Any = likelihood.Question
score: Any = likelihood.score

SMALL = {"vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 64}
QUESTIONS = [
    Question(f"{number}+{number**3}=", ["1", "12", str(number**4), ""]) for number in range(1, 30)
]


def tiny(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()


def sliding(folder: Path) -> Any:
    """Each token sees only four before it."""
    config = transformers.MistralConfig(**SMALL, **HEADS, sliding_window=4, head_dim=16)
    return transformers.MistralForCausalLM(config).eval()


def recurrent(folder: Path) -> Any:
    """Its cache is a state of all tokens at once."""
    config = transformers.MambaConfig(**SMALL, state_size=8)
    return transformers.MambaForCausalLM(config).eval()


@pytest.fixture
def tokenizer(tiny_checkpoint: Path) -> Any:
    return transformers.AutoTokenizer.from_pretrained(tiny_checkpoint)


def sums(model: Any, tokenizer: Any) -> list[list[float]]:
    answers = score(model, tokenizer, QUESTIONS, room=2048)
    assert not any(isinstance(each, RequestError) for each in answers)
    return [[one.sum for one in each] for each in answers if not isinstance(each, RequestError)]


def one_by_one(model: Any, tokenizer: Any) -> list[list[float]]:
    """By hand: the logits of one text at a time, without a cache or padding."""
    found = []
    for question in QUESTIONS:
        before = len(tokenizer.encode(question.context))
        found.append([])
        for each in question.continuations:
            tokens = tokenizer.encode(f"{question.context}{each}")
            with torch.inference_mode():
                chances = model(torch.tensor([tokens])).logits[0].log_softmax(-1)
            after = range(before, len(tokens))
            found[-1].append(sum(float(chances[at - 1, tokens[at]]) for at in after))
    return found


@pytest.mark.parametrize("build", [tiny, sliding, recurrent], ids=lambda build: build.__name__)
@pytest.mark.parametrize("pass_tokens", [40, 8192])
def test_they_are_those_of_each_text_alone(
    build: Any,
    pass_tokens: int,
    tiny_checkpoint: Path,
    tokenizer: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(1)
    model = build(tiny_checkpoint)
    monkeypatch.setattr(likelihood, "PASS_TOKENS", pass_tokens)

    found = sums(model, tokenizer)

    expected = one_by_one(model, tokenizer)
    assert found == [pytest.approx(each, abs=1e-4) for each in expected]


@pytest.mark.parametrize(
    ("build", "shares"),
    [(tiny, True), (sliding, False), (recurrent, False)],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_a_context_is_computed_once_where_a_cache_can_be_shared(
    build: Any, shares: bool, tiny_checkpoint: Path, tokenizer: Any
) -> None:
    context = "1" * 50
    computed = []
    model = build(tiny_checkpoint)
    model.register_forward_pre_hook(
        lambda module, arguments, named: computed.append(named["input_ids"].numel()),
        with_kwargs=True,
    )

    score(model, tokenizer, [Question(context, ["2", "3", "4", "5"])], room=2048)

    tokens = len(tokenizer.encode(context))
    assert sum(computed) == (tokens - 1 + 4 if shares else 4 * (tokens + 1))


def test_a_question_that_does_not_fit_spoils_no_other(
    tiny_checkpoint: Path, tokenizer: Any
) -> None:
    long = Question("1" * 60, ["2"])

    one, other = score(tiny(tiny_checkpoint), tokenizer, [long, QUESTIONS[0]], room=50)

    assert isinstance(one, RequestError)
    assert "61 tokens of context and 1 of continuation do not fit the 50" in str(one)
    assert not isinstance(other, RequestError) and len(other) == 4
