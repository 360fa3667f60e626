"""How much of a target a prediction shares: token F1, BLEU, chrF, ROUGE.

F1 and ROUGE run from 0 to 1, BLEU and chrF from 0 to 100: the scales on which they are published.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from ..errors import UsageError
from .exact import normalize_text, targets_of

_ROUGE_VARIANT = re.compile(r"rouge([1-9]|L|Lsum)")


def f1(prediction: str, target: str | Sequence[str]) -> float:
    """Token F1 of SQuAD, 0 to 1: the best over the targets.

    Rajpurkar et al. 2016, section 6.1, with the tokens of the official script: the text under
    the `squad` normalisation, split at spaces. Where either side has no token, it is 1 if both
    have none, else 0, as in the official script of SQuAD 2.0.

    Raises ValueError for no target, TypeError for a target that is not text.
    """
    tokens = normalize_text(prediction, "squad").split()
    return max(_f1(tokens, normalize_text(one, "squad").split()) for one in targets_of(target))


def _f1(prediction: list[str], target: list[str]) -> float:
    if not prediction or not target:
        return float(prediction == target)
    same = (Counter(prediction) & Counter(target)).total()
    return 2 * same / (len(prediction) + len(target))


def bleu(prediction: str, target: str | Sequence[str]) -> float:
    """Sentence BLEU, 0 to 100, against one reference or several.

    Papineni et al. 2002 as computed by sacrebleu (Post 2018) with its defaults for a sentence:
    `case:mixed|eff:yes|tok:13a|smooth:exp`. The mean over samples is not corpus BLEU.

    Raises ValueError for no target, TypeError for a target that is not text, UsageError
    without sacrebleu.
    """
    references = targets_of(target)
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
        from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp
    except ImportError:
        raise _missing("bleu", "sacrebleu") from None
    score: float = BLEU(effective_order=True).sentence_score(prediction, references).score
    # sacrebleu keeps the last 65,536 texts that it split, in two places: memory that would
    # grow with the number of samples.
    Tokenizer13a.__call__.cache_clear()
    TokenizerRegexp.__call__.cache_clear()
    return score


def chrf(prediction: str, target: str | Sequence[str], *, word_order: int = 0) -> float:
    """Sentence chrF2, 0 to 100: the best over the references.

    Popović 2015 as computed by sacrebleu (Post 2018): character n-grams up to 6, beta 2.
    `word_order=2` makes it chrF++ (Popović 2017). The mean over samples is not corpus chrF.

    Raises ValueError for no target, TypeError for a target that is not text, UsageError
    without sacrebleu.
    """
    references = targets_of(target)
    try:
        from sacrebleu.metrics.chrf import CHRF
    except ImportError:
        raise _missing("chrf", "sacrebleu") from None
    score: float = CHRF(word_order=word_order).sentence_score(prediction, references).score
    return score


def rouge(
    prediction: str,
    target: str | Sequence[str],
    *,
    variant: str = "rougeL",
    use_stemmer: bool = False,
) -> float:
    """ROUGE F-measure, 0 to 1: the best over the targets.

    Lin 2004 as computed by Google's rouge-score. `variant` is `rouge1` … `rouge9`, `rougeL`, or
    `rougeLsum`, which takes each line for a sentence. Papers on summaries mostly stem.
    Words are runs of a-z and 0-9: text in another script has none, and scores 0.

    The work grows with the length of the prediction times that of the target.

    Raises ValueError for an unknown variant or no target, TypeError for a target that is not
    text, UsageError without rouge-score.
    """
    if not _ROUGE_VARIANT.fullmatch(variant):
        raise ValueError(f"unknown variant {variant!r}: use rouge1 … rouge9, rougeL or rougeLsum")
    targets = targets_of(target)
    try:
        scorer = _rouge_scorer(variant, use_stemmer)
        tokenize = _rouge_tokenizer(use_stemmer)
    except ImportError:
        raise _missing("rouge", "rouge-score") from None
    if variant != "rougeL":
        return max(float(scorer.score(one, prediction)[variant].fmeasure) for one in targets)
    tokens = tokenize(prediction)
    return max(_rouge_l(tokens, tokenize(one)) for one in targets)


@lru_cache(maxsize=32)
def _rouge_scorer(variant: str, use_stemmer: bool) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([variant], use_stemmer=use_stemmer)


@lru_cache(maxsize=2)
def _rouge_tokenizer(use_stemmer: bool) -> Callable[[str], list[str]]:
    from rouge_score.tokenizers import DefaultTokenizer

    tokenize: Callable[[str], list[str]] = DefaultTokenizer(use_stemmer).tokenize
    return tokenize


def _rouge_l(prediction: list[str], target: list[str]) -> float:
    """ROUGE-L without rouge-score's table, which takes gigabytes for a reply of 10 MB."""
    if not prediction or not target:
        return 0.0
    return 2 * _longest_common_subsequence(prediction, target) / (len(prediction) + len(target))


def _longest_common_subsequence(prediction: list[str], target: list[str]) -> int:
    """Its length. One bit for each token of the target (Hyyrö 2004): a zero bit is a step up."""
    places: dict[str, int] = {}
    for place, token in enumerate(target):
        places[token] = places.get(token, 0) | 1 << place
    full = (1 << len(target)) - 1
    row = full
    for token in prediction:
        matching = row & places.get(token, 0)
        row = (row + matching | row - matching) & full
    return len(target) - bin(row).count("1")


def _missing(scorer: str, package: str) -> UsageError:
    return UsageError(
        f"The scorer {scorer} needs {package}: run pip install 'pytest-modeleval[scorers]'."
    )
