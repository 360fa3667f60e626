"""Whether a reply follows instructions that a program can check: the 25 kinds of IFEval.

After Zhou et al. 2023, "Instruction-Following Evaluation for Large Language Models", section 3 and
the authors' checkers (google-research/instruction_following_eval). What differs: sentences and
words in capitals are told apart by rules of our own, since NLTK's need data of their own; keywords
are taken as they are written, not as regular expressions; and time is linear in the reply.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from ..errors import UsageError

_OPTIONS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_POSTSCRIPTS = {"P.S.": r"p\.\s?s\.", "P.P.S": r"p\.\s?p\.\s?s"}
_WORD = re.compile(r"\w+")
_TOKEN = re.compile(r"\w+(?:[-./]\w+)*")
_HIGHLIGHT = re.compile(r"\*[^\n*]*\*")
_DOUBLE_HIGHLIGHT = re.compile(r"\*\*[^\n*]*\*\*")
_FIRST_WORD = re.compile(r"""[^.,?!'"]*""")
_CLOSING = "\"'\u2019\u201d)]}*_"
# fmt: off
_ABBREVIATIONS = frozenset((
    "dr", "mr", "mrs", "ms", "prof", "st", "sr", "jr", "vs", "etc", "e.g", "i.e", "u.s", "u.k",
    "a.m", "p.m", "ph.d", "inc", "ltd", "co", "corp", "no", "vol",
))
# fmt: on


def follows(
    reply: str,
    instructions: Sequence[str],
    arguments: Sequence[Mapping[str, Any]],
    *,
    loose: bool = False,
) -> list[bool]:
    """For each instruction, whether the reply follows it. An empty reply follows none.

    Args:
        reply: all that the model wrote.
        instructions: their names, such as "length_constraints:number_words".
        arguments: of each, such as `{"relation": "at least", "num_words": 300}`.
        loose: whether it is enough that the reply follows without its first line, its last line,
            or its asterisks (any of these together): "Sure, here it is:" then does no harm.

    Raises ValueError for an instruction that is not known or lacks an argument, UsageError where
    langdetect is not installed and an instruction asks for a language.
    """
    readings = [text for text in (_readings(reply) if loose else [reply]) if text.strip()]
    return [
        any(_follows(text, name, given) for text in readings)
        for name, given in zip(instructions, arguments)
    ]


def instruction_accuracies(
    values: Sequence[Mapping[str, Any]],
) -> dict[str, tuple[float, float | None, float | None]]:
    """The share of all instructions that were followed, with its 95 % interval: the function of a
    `CorpusMetric`, over lists of truth values by name. The instructions of a prompt belong
    together."""
    from ..statistics.clusters import cluster_interval

    found = {}
    for name in dict.fromkeys(name for each in values for name in each):
        prompts = [each[name] for each in values]
        followed = [float(one) for prompt in prompts for one in prompt]
        owners = [number for number, prompt in enumerate(prompts) for _ in prompt]
        interval = cluster_interval(followed, owners)
        found[name] = (sum(followed) / len(followed), interval.lower, interval.upper)
    return found


def _readings(reply: str) -> list[str]:
    lines = reply.split("\n")
    cut = [reply, *("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1]))]
    return [*cut, *(text.replace("*", "") for text in cut)]


def _follows(text: str, name: str, arguments: Mapping[str, Any]) -> bool:
    check = _CHECKS.get(name)
    if check is None:
        near = get_close_matches(name, _CHECKS)
        hint = f": did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(f"no instruction is known as {name!r}{hint}")
    try:
        return check(text, **arguments)
    except TypeError as error:
        raise ValueError(f"{name} with {dict(arguments)!r:.200}: {error}") from error


def _compare(count: int, relation: str, bound: int) -> bool:
    if relation not in ("less than", "at least"):
        raise ValueError(f"the relation is {relation!r}; expected 'less than' or 'at least'")
    return count < bound if relation == "less than" else count >= bound


# ---------------------------------------------------------------- words and lengths


def _keywords(text: str, keywords: Sequence[str]) -> bool:
    return all(word.lower() in text.lower() for word in keywords)


def _keyword_frequency(text: str, keyword: str, frequency: int, relation: str) -> bool:
    return _compare(text.lower().count(keyword.strip().lower()), relation, frequency)


def _forbidden_words(text: str, forbidden_words: Sequence[str]) -> bool:
    return not any(
        re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) for word in forbidden_words
    )


def _letter_frequency(text: str, letter: str, let_frequency: int, let_relation: str) -> bool:
    return _compare(text.lower().count(letter.strip().lower()), let_relation, let_frequency)


def _number_words(text: str, num_words: int, relation: str) -> bool:
    return _compare(len(_WORD.findall(text)), relation, num_words)


def _number_sentences(text: str, num_sentences: int, relation: str) -> bool:
    return _compare(_sentences(text), relation, num_sentences)


def _sentences(text: str) -> int:
    """A sentence ends in `.`, `!` or `?` before a space, or with the text; not in "Dr." or "J."."""
    words = text.split()
    ends = sum(map(_ends_sentence, words, words[1:]))
    return ends + bool(words)


def _ends_sentence(word: str, following: str) -> bool:
    bare = word.rstrip(_CLOSING)
    if bare.endswith(("!", "?")):
        return True
    if not bare.endswith("."):
        return False
    stem = bare.rstrip(".").lstrip("\"'\u2018\u201c([{*_").lower()
    if bare.endswith(".."):
        return following[:1].isupper()
    return stem not in _ABBREVIATIONS and not (len(stem) == 1 and stem.isalpha())


def _number_paragraphs(text: str, num_paragraphs: int) -> bool:
    """Paragraphs are parted by `***`."""
    first, *rest = (part.strip() for part in text.split("***"))
    inner, last = rest[:-1], rest[-1:]
    return all(inner) and num_paragraphs == len(inner) + bool(first) + sum(map(bool, last))


def _nth_paragraph(text: str, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    """Paragraphs are parted by an empty line."""
    parts = text.split("\n\n")
    count = sum(bool(part.strip()) for part in parts)
    if not 0 < nth_paragraph <= count or not parts[nth_paragraph - 1].strip():
        return False
    word = parts[nth_paragraph - 1].split()[0].lstrip("'").lstrip('"')
    found = _FIRST_WORD.match(word)
    return count == num_paragraphs and found is not None and found[0].lower() == first_word.lower()


# ---------------------------------------------------------------- content and format


def _placeholders(text: str, num_placeholders: int) -> bool:
    """Brackets on one line: each `]` that a `[` stands before."""
    closed = (part for line in text.split("\n") for part in line.split("]")[:-1])
    return sum("[" in part for part in closed) >= num_placeholders


def _postscript(text: str, postscript_marker: str) -> bool:
    marker = postscript_marker.strip()
    return (
        re.search(_POSTSCRIPTS.get(marker) or re.escape(marker.lower()), text.lower()) is not None
    )


def _bullets(text: str, num_bullets: int) -> bool:
    lines = (line.lstrip() for line in text.split("\n"))
    bullets = (
        line[:1] == "-" or (line[:1] == "*" and line[1:2] not in ("", "*")) for line in lines
    )
    return sum(bullets) == num_bullets


def _constrained_response(text: str) -> bool:
    return any(option in text for option in _OPTIONS)


def _highlights(text: str, num_highlights: int) -> bool:
    """`*so*`; one that stands in `**two**` counts twice where that is a match of both."""
    found = sum(bool(each.strip("*").strip()) for each in _HIGHLIGHT.findall(text))
    found += sum(bool(each[2:-2].strip()) for each in _DOUBLE_HIGHLIGHT.findall(text))
    return found >= num_highlights


def _sections(text: str, section_spliter: str, num_sections: int) -> bool:
    return len(re.findall(rf"{re.escape(section_spliter.strip())}\s?\d+", text)) >= num_sections


def _json(text: str) -> bool:
    bare = text.strip()
    for fence in ("```json", "```Json", "```JSON", "```"):
        bare = bare.removeprefix(fence)
    try:
        json.loads(bare.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return False
    return True


def _title(text: str) -> bool:
    """`<<so>>`, on one line."""
    for line in text.split("\n"):
        start, end = line.find("<<"), line.rfind(">>")
        if 0 <= start < end and line[start:end].strip("<>").strip():
            return True
    return False


def _two_responses(text: str) -> bool:
    """Two different ones, parted by six asterisks."""
    parts = [part.strip() for part in text.split("******")]
    given = [part for part in parts if part]
    return all(parts[1:-1]) and len(given) == 2 and given[0] != given[1]


def _repeat_prompt(text: str, prompt_to_repeat: str) -> bool:
    return text.strip().lower().startswith(prompt_to_repeat.strip().lower())


def _end(text: str, end_phrase: str) -> bool:
    return text.strip().strip('"').lower().endswith(end_phrase.strip().lower())


def _quotation(text: str) -> bool:
    bare = text.strip()
    return len(bare) > 1 and bare[0] == bare[-1] == '"'


# ---------------------------------------------------------------- case and language


def _capital_words(text: str, capital_frequency: int, capital_relation: str) -> bool:
    count = sum(word.isupper() for word in _TOKEN.findall(text))
    return _compare(count, capital_relation, capital_frequency)


def _english_capital(text: str) -> bool:
    return text.isupper() and _language(text, "en")


def _english_lowercase(text: str) -> bool:
    return text.islower() and _language(text, "en")


def _no_comma(text: str) -> bool:
    return "," not in text


def _language(text: str, language: str) -> bool:
    """Text of which no language can be told follows, as with the authors."""
    try:
        from langdetect import LangDetectException, detect
        from langdetect.detector_factory import DetectorFactory
    except ImportError:
        raise UsageError(
            "This instruction asks for a language, which needs langdetect: run "
            "pip install 'pytest-modeleval[scorers]'."
        ) from None
    DetectorFactory.seed = 0  # it draws random numbers: the same for the same text
    try:
        return bool(detect(text) == language)
    except LangDetectException:
        return True


_CHECKS: dict[str, Callable[..., bool]] = {
    "keywords:existence": _keywords,
    "keywords:frequency": _keyword_frequency,
    "keywords:forbidden_words": _forbidden_words,
    "keywords:letter_frequency": _letter_frequency,
    "language:response_language": _language,
    "length_constraints:number_sentences": _number_sentences,
    "length_constraints:number_paragraphs": _number_paragraphs,
    "length_constraints:number_words": _number_words,
    "length_constraints:nth_paragraph_first_word": _nth_paragraph,
    "detectable_content:number_placeholders": _placeholders,
    "detectable_content:postscript": _postscript,
    "detectable_format:number_bullet_lists": _bullets,
    "detectable_format:constrained_response": _constrained_response,
    "detectable_format:number_highlighted_sections": _highlights,
    "detectable_format:multiple_sections": _sections,
    "detectable_format:json_format": _json,
    "detectable_format:title": _title,
    "combination:two_responses": _two_responses,
    "combination:repeat_prompt": _repeat_prompt,
    "startend:end_checker": _end,
    "startend:quotation": _quotation,
    "change_case:capital_word_frequency": _capital_words,
    "change_case:english_capital": _english_capital,
    "change_case:english_lowercase": _english_lowercase,
    "punctuation:no_comma": _no_comma,
}
