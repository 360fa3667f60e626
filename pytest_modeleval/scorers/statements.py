"""What a reply states as its answer, in words of its own."""

from __future__ import annotations

import re

from .patterns import last

_STATEMENT = re.compile(r"\banswer(?: is\b:?|:)[*_\s]{0,20}(?P<answer>\S[^\n]*)", re.I)
_AROUND = "*_`\"'“”‘’$ \t"


def stated_answer(text: str) -> str | None:
    """What follows the last "the answer is" or "Answer:", up to the end of its line; None where
    the reply states nothing.

    Marks around it (`**`, quotes, a dollar sign) and the full stop that ends the sentence are
    dropped. English only. After `extract_ans` of BIG-Bench Hard (Suzgun et al. 2022), which reads
    the rest of the reply: "So the answer is Yes." is "Yes".
    """
    statement = last(_STATEMENT.finditer(text))
    if statement is None:
        return None
    return statement["answer"].strip(_AROUND).removesuffix(".").strip(_AROUND) or None
