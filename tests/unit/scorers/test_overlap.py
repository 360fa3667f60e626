"""Token F1, BLEU, chrF and ROUGE."""

from __future__ import annotations

import ast
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_modeleval import scorers
from pytest_modeleval.errors import UsageError
from pytest_modeleval.scorers import bleu, chrf, f1, overlap, rouge

# From rouge-score's own test data: the first pair of rouge/testdata/pyrouge_files, which ROUGE
# 1.5.5 scored.
ROUGE_TARGET = (
    "ZfbCUIUuePaiLVUlCaUXxkpu XPeWing tUHfPMuZ',-Xd Y BrUgVJing M-HV.-DgdDaY.rFDJCRing Ht-LM "
    "EKBDXkME,yz'RBr q'wtion wIojNbN wL,b .a-'XdQggyFl jB-RPP'iyOIcUxer tKM L\n"
)
ROUGE_PREDICTION = (
    "rFDJCRtion Ht-LM EKtDXkME,yz'RBr q'wer wrojNbN wL,b .a-'XdQggyFl jB-RPP'iyOIcUxi\n"
)


@pytest.mark.parametrize(
    ("prediction", "target", "value"),
    [
        ("the cat", "a cat", 1.0),
        ("cat dog", "cat", 2 / 3),
        ("cat cat", "cat dog", 1 / 2),
        ("dog", "cat", 0.0),
        ("dog", ["cat", "dog house", "mouse"], 2 / 3),
        ("", "", 1.0),
        ("the", "", 1.0),
        ("cat", "", 0.0),
        ("", "cat", 0.0),
    ],
)
def test_f1(prediction: str, target: str | list[str], value: float) -> None:
    assert f1(prediction, target) == pytest.approx(value)


def test_bleu_of_sacrebleus_own_example() -> None:
    """sacrebleu, test/test_sentence_bleu.py, the case with the defaults."""
    prediction = "Producția de zahăr primă va fi exprimată în ceea ce privește zahărul alb;"
    target = "producţia de zahăr brut se exprimă în zahăr alb;"
    assert bleu(prediction, target) == pytest.approx(8.493, abs=1e-3)
    assert bleu(prediction, [target, prediction]) == pytest.approx(100)
    assert bleu("this is a cat", "okay thanks") == 0
    assert bleu("two words", "two words") == pytest.approx(100)


@pytest.mark.parametrize(
    ("prediction", "target", "value"),
    [("a", "a", 100), ("a b c", "abc", 100), ("aa", "ab", 25), ("", "reference", 0)],
)
def test_chrf_of_sacrebleus_own_examples(prediction: str, target: str, value: float) -> None:
    """sacrebleu, test/test_chrf.py, `test_cases_effective_order`."""
    assert chrf(prediction, target) == pytest.approx(value)


def test_chrf_of_a_sentence() -> None:
    """sacrebleu, test/test_chrf.py: there with epsilon smoothing, which moves the 4th decimal."""
    prediction = "Lapali po dechu, jejich životy skončily dřív, než skutečně začaly."
    target = (
        "Lapali po dechu a pak jejich život skončil - dřív, než skutečně mohl začít, připomněli."
    )
    assert chrf(prediction, target) == pytest.approx(57.157, abs=1e-3)
    assert chrf(prediction, ["nic", target]) == chrf(prediction, target)
    assert chrf(prediction, target, word_order=2) < chrf(prediction, target)


@pytest.mark.parametrize(
    ("variant", "value"), [("rouge1", 0.51163), ("rouge2", 0.39024), ("rougeL", 0.51163)]
)
def test_rouge_of_rouge_scores_own_example(variant: str, value: float) -> None:
    """rouge-score, rouge_scorer_test.py, the tests against ROUGE 1.5.5."""
    score = rouge(ROUGE_PREDICTION, ROUGE_TARGET, variant=variant)
    assert score == pytest.approx(value, abs=5e-6)


def test_rouge_variants() -> None:
    """rouge-score, rouge_scorer_test.py: testRougeLConsecutive and testRougeLsum."""
    assert rouge("testing one", "testing one two") == pytest.approx(4 / 5)
    assert rouge("testing two", "testing one two") == pytest.approx(4 / 5)
    assert rouge("testing one", "testing one two", variant="rouge2") == pytest.approx(2 / 3)
    lines = "w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5"
    assert rouge(lines, "w1 w2 w3 w4 w5", variant="rougeLsum") == pytest.approx(0.5333, abs=1e-4)
    assert rouge("testing", ["nothing", "testing"]) == 1
    assert rouge("tests", "testing") == 0
    assert rouge("tests", "testing", use_stemmer=True) == 1
    assert rouge("tests", "testing", variant="rouge1", use_stemmer=True) == 1


def test_rouge_l_agrees_with_the_library() -> None:
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(["rougeL"])
    draw = random.Random(0)
    for _ in range(300):
        one, other = (" ".join(draw.choices("abcdefg", k=draw.randint(0, 90))) for _ in "12")
        assert rouge(one, other) == pytest.approx(scorer.score(other, one)["rougeL"].fmeasure)


@pytest.mark.parametrize("variant", ["rouge", "rouge0", "rouge10", "rougel", "rouge1 "])
def test_an_unknown_variant_is_refused(variant: str) -> None:
    with pytest.raises(ValueError, match="unknown variant"):
        rouge("a", "a", variant=variant)


@pytest.mark.parametrize("scorer", [f1, bleu, chrf, rouge])
def test_no_target_is_refused(scorer: Callable[[str, list[str]], float]) -> None:
    with pytest.raises(ValueError, match="no target"):
        scorer("a", [])


def test_sacrebleus_memory_does_not_grow_with_the_samples() -> None:
    tokenizer = pytest.importorskip("sacrebleu.tokenizers.tokenizer_13a").Tokenizer13a
    base = pytest.importorskip("sacrebleu.tokenizers.tokenizer_re").TokenizerRegexp
    bleu("one text", "another text")
    assert tokenizer.__call__.cache_info().currsize == 0
    assert base.__call__.cache_info().currsize == 0


@pytest.mark.parametrize(
    ("scorer", "module", "package"),
    [
        (bleu, "sacrebleu", "sacrebleu"),
        (chrf, "sacrebleu", "sacrebleu"),
        (rouge, "rouge_score", "rouge-score"),
    ],
)
def test_a_missing_library_says_what_to_install(
    scorer: Callable[[str, str], float], module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    overlap._rouge_scorer.cache_clear()
    for name in [*sys.modules, module]:
        if name.split(".")[0] == module:
            monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError) as raised:
        scorer("a", "a")
    assert str(raised.value) == (
        f"The scorer {scorer.__name__} needs {package}: "
        "run pip install 'pytest-modeleval[scorers]'."
    )


def test_importing_the_scorers_imports_no_library() -> None:
    script = (
        "import sys, pytest_modeleval.scorers.overlap\n"
        "print(sorted({'sacrebleu', 'rouge_score', 'nltk', 'numpy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_the_scorers_do_not_import_pytest() -> None:
    for file in Path(scorers.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not any(name.split(".")[0] in ("pytest", "_pytest") for name in names), file
