"""The datasets that are registered from the start, by what they ask for."""

from .choice import ARC_CHALLENGE, QASC, TRUTHFULQA
from .instructions import IFEVAL
from .mathematics import GSM8K, GSM_HARD, MATH_500, MATH_L5, MGSM
from .reading import SQUAD
from .reasoning import BBH, CRUXEVAL

REGISTERED = (
    GSM8K,
    QASC,
    SQUAD,
    ARC_CHALLENGE,
    BBH,
    CRUXEVAL,
    GSM_HARD,
    IFEVAL,
    MATH_500,
    MATH_L5,
    MGSM,
    TRUTHFULQA,
)
