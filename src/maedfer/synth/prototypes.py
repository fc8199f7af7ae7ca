"""The forms that each expression takes: action units that are always there, and those that come with a probability.

Sources, named at each form:

- **EF**: P. Ekman and W. V. Friesen, *Facial Action Coding System* (1978); prototypes and variants of the table of
  emotion predictions in P. Ekman, W. V. Friesen and J. C. Hager, *FACS: Investigator's Guide* (2002).
- **D**: S. Du, Y. Tao and A. M. Martinez, "Compound facial expressions of emotion", PNAS 111 (2014), table 1, with the
  share of people who showed each secondary unit (sad: 1 60 %, 6 50 %, 17 67 %; fear: 2 57 %, 5 63 %, 26 33 %;
  angry: 10 26 %, 17 52 %, 23 29 %; surprise: 5 66 %; disgust: 4 31 %, 24 26 %; happy: 6 51 %).
- **L**: P. Lucey et al., "The Extended Cohn-Kanade Dataset (CK+)" (2010), criteria of emotions.
- **R**: O. Langner et al., "Presentation and validation of the Radboud Faces Database" (2010).
- **C**: D. T. Cordaro et al., "Universals and cultural variations in 22 emotional expressions", Emotion 18 (2018).

Strengths and forms without a source are ours, for what real faces do besides: partial forms, and all that moves a
neutral face. Units are those of :data:`~maedfer.synth.expressions.ACTION_UNITS`.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from maedfer.errors import ConfigError

__all__ = ["PROTOTYPES", "Prototype", "Rhythm", "prototype"]

Rhythm: TypeAlias = Literal["bout", "chew", "flash", "worn"]


@dataclass(frozen=True)
class Prototype:
    """One form of an expression.

    Attributes:
        name: unique among the forms of its expression.
        units: action unit -> strength at full intensity; always there.
        often: action unit -> (probability, strength).
        share: how often the form is drawn, relative to the others of its expression.
        held_out: never in training or validation, so that a test can ask for forms nobody has learnt.
        rhythm: ``"bout"`` rises and fades with the clip's bout; ``"chew"`` goes up and down within it; ``"flash"``
            comes in short pulses; ``"worn"`` is there all the time.
    """

    name: str
    units: dict[int, float]
    often: dict[int, tuple[float, float]] = field(default_factory=dict)
    share: float = 1.0
    held_out: bool = False
    rhythm: Rhythm = "bout"


_HAPPY = (
    Prototype("closed smile", {6: 0.9, 12: 1.0}, {7: (0.2, 0.4), 14: (0.15, 0.3)}),  # EF 6+12
    Prototype("toothy smile", {12: 1.1, 25: 1.0}, {6: (0.51, 1.0)}, 1.6),  # D
    Prototype("broad smile", {6: 1.0, 12: 1.2, 25: 1.1}, {26: (0.4, 0.5), 10: (0.2, 0.3)}),  # R 6+12+25
    Prototype("laugh", {6: 1.1, 7: 0.5, 12: 1.2, 25: 1.0, 26: 1.1}, {16: (0.4, 0.5), 43: (0.25, 0.45)}),  # C
    Prototype("polite smile", {12: 0.8}, {1: (0.15, 0.3), 2: (0.15, 0.3)}),  # EF 12 alone, L
    Prototype("held smile", {12: 0.9, 24: 0.35, 17: 0.3}, {6: (0.5, 0.7)}, 0.6),
    Prototype("smile with raised brows", {1: 0.5, 2: 0.6, 6: 0.6, 12: 1.1, 25: 0.9}, {26: (0.3, 0.5)}, 0.6),
    Prototype("squinting grin", {6: 1.0, 7: 0.9, 12: 1.0, 16: 0.4, 25: 0.8}, {}, 2.2, held_out=True),
)

_SAD = (
    Prototype("classic", {1: 1.2, 4: 0.6, 15: 1.1}, {17: (0.67, 0.8), 43: (0.3, 0.2), 64: (0.4, 0.4)}, 1.6),  # EF, R
    Prototype("frequent", {4: 0.8, 15: 1.2}, {1: (0.6, 1.1), 6: (0.5, 0.5), 17: (0.67, 0.9)}),  # D
    Prototype("drooping", {1: 1.0, 4: 0.4, 15: 0.8, 43: 0.2}, {64: (0.7, 0.45), 17: (0.3, 0.5)}),  # EF with 64
    Prototype("crying", {1: 1.0, 4: 0.9, 6: 0.8, 15: 1.0, 20: 0.5, 25: 0.5}, {17: (0.6, 0.9), 43: (0.4, 0.5)}),
    Prototype("sobbing", {1: 1.0, 4: 0.9, 6: 0.9, 7: 0.6, 15: 0.9, 20: 0.7, 25: 0.8, 26: 0.7}, {43: (0.5, 0.6)}, 0.5),
    Prototype("brows and lids", {1: 1.3, 4: 0.7, 43: 0.25}, {64: (0.4, 0.5)}, 0.6),  # EF 1+4, partial; C 4+43
    Prototype("open", {1: 1.1, 4: 0.5, 15: 1.0, 25: 0.5}, {26: (0.3, 0.3), 64: (0.3, 0.5)}, 0.8),  # EF with 25
    Prototype("pout", {1: 0.9, 4: 0.5, 15: 1.1, 17: 1.3}, {24: (0.3, 0.5), 64: (0.3, 0.5)}, 0.8),
    Prototype("raised cheeks", {6: 0.9, 15: 1.2, 17: 0.5}, {1: (0.6, 0.8), 64: (0.3, 0.6)}, 2.6, held_out=True),  # EF
)

_ANGRY = (
    Prototype(
        "pressed", {4: 1.4, 7: 0.9, 24: 1.0}, {17: (0.52, 0.45), 10: (0.26, 0.3), 23: (0.29, 0.8), 5: (0.3, 0.5)}, 1.6
    ),  # D
    Prototype("tight", {4: 1.45, 5: 0.6, 7: 0.7, 23: 1.0}, {17: (0.5, 0.4), 10: (0.3, 0.3)}),  # EF, R 4+5+7+23
    Prototype("glare", {4: 1.4, 5: 0.9, 7: 0.6, 23: 0.6, 24: 0.5}, {17: (0.5, 0.4), 10: (0.3, 0.3)}),  # EF 4+5+7+17+24
    Prototype(
        "shouting", {4: 1.4, 7: 0.8, 10: 0.6, 16: 0.8, 22: 0.5, 25: 1.0, 26: 1.2}, {5: (0.5, 0.7), 9: (0.3, 0.4)}
    ),
    Prototype(
        "bared teeth", {4: 1.4, 7: 0.9, 10: 0.8, 16: 0.9, 23: 0.3, 25: 1.0}, {9: (0.35, 0.4), 5: (0.4, 0.6)}, 0.8
    ),
    Prototype(
        "square mouth", {4: 1.3, 5: 0.7, 7: 0.7, 10: 0.4, 22: 0.7, 23: 0.4, 25: 0.9}, {26: (0.5, 0.7)}, 0.6
    ),  # EF
    Prototype("frown and lids", {4: 1.4, 7: 1.0}, {5: (0.2, 0.4), 23: (0.2, 0.4)}, 0.8),  # C 4+7
    Prototype("set jaw", {4: 1.4, 7: 0.8, 24: 0.8, 29: 0.8}, {17: (0.4, 0.4), 9: (0.2, 0.3)}, 0.6),
    Prototype("frown, chin raised", {4: 1.45, 5: 0.5, 7: 0.8, 17: 0.8, 23: 0.8}, {10: (0.3, 0.3)}, 2.5, held_out=True),
)

_SURPRISE = (
    Prototype("classic", {1: 1.4, 2: 1.15, 5: 0.8, 26: 1.2}, {25: (0.5, 0.4)}, 1.6),  # EF 1+2+5B+26, R
    Prototype("gaping", {1: 1.4, 2: 1.15, 5: 1.0, 27: 1.0}, {}),  # EF 1+2+5B+27
    Prototype("frequent", {1: 1.3, 2: 1.2, 25: 0.6, 26: 0.9}, {5: (0.66, 1.0)}, 1.4),  # D
    Prototype("brows and lids", {1: 1.4, 2: 1.15, 5: 1.0}, {25: (0.4, 0.3)}, 0.7),  # EF 1+2+5B, partial
    Prototype("rounded", {1: 1.3, 2: 1.1, 5: 0.7, 22: 0.5, 18: 0.3, 26: 0.9}, {}, 0.8),
    Prototype("pleased", {1: 1.3, 2: 1.1, 5: 0.8, 12: 0.3, 25: 0.5, 26: 1.0}, {}, 0.6),
    Prototype("gaping, lids at ease", {1: 1.4, 2: 1.15, 27: 0.9}, {}, 1.5, held_out=True),  # EF 1+2+27
)

_DISGUST = (
    Prototype(
        "wrinkled", {9: 1.1, 10: 0.7}, {4: (0.3, 0.4), 17: (0.5, 0.7), 6: (0.5, 0.5), 7: (0.4, 0.5)}, 1.4
    ),  # EF 9
    Prototype("frequent", {9: 1.2, 10: 1.0, 17: 0.8}, {4: (0.31, 0.6), 24: (0.26, 0.5), 7: (0.4, 0.5)}, 1.4),  # D
    Prototype("raised lip", {10: 1.4, 25: 0.5}, {9: (0.75, 0.8), 16: (0.3, 0.4), 7: (0.4, 0.5)}),  # EF 10, R 9+10+25
    Prototype("open", {9: 1.2, 10: 1.2, 16: 0.5, 25: 0.8}, {4: (0.31, 0.5), 26: (0.4, 0.5), 6: (0.4, 0.5)}),  # EF
    Prototype("retching", {7: 0.8, 9: 1.1, 10: 0.9, 16: 0.8, 25: 0.8, 26: 1.1}, {15: (0.5, 0.7), 20: (0.3, 0.5)}, 0.8),
    Prototype("mouth down", {9: 1.2, 10: 0.8, 15: 0.9, 17: 0.7}, {4: (0.3, 0.5), 7: (0.3, 0.5)}),  # EF 9+15
    Prototype("nose and lids", {7: 0.7, 9: 1.4}, {4: (0.3, 0.4), 6: (0.5, 0.6)}, 0.6),  # EF 9, partial
    Prototype("lip up, chin up", {10: 1.3, 17: 1.1}, {9: (0.3, 0.5), 7: (0.4, 0.5)}, 2.2, held_out=True),  # EF 10+17
)

_FEAR = (
    Prototype("classic", {1: 1.2, 2: 0.6, 4: 0.7, 5: 1.2, 20: 1.1, 25: 0.9}, {26: (0.4, 0.7)}, 1.6),  # EF, R
    Prototype("frequent", {1: 1.2, 4: 0.7, 20: 1.1, 25: 0.9}, {2: (0.57, 0.6), 5: (0.63, 1.2), 26: (0.33, 0.7)}),  # D
    Prototype("open", {1: 1.2, 2: 0.6, 4: 0.7, 5: 1.3, 25: 0.8, 26: 0.9}, {20: (0.6, 0.7)}),  # EF 1+2+4+5+26
    Prototype("screaming", {1: 1.2, 2: 0.7, 4: 0.8, 5: 1.3, 16: 0.5, 20: 1.0, 27: 0.9}, {}, 0.8),  # EF with 27
    Prototype("eyes", {1: 1.3, 2: 0.6, 4: 0.8, 5: 1.3}, {25: (0.4, 0.4)}, 0.7),  # EF 1+2+4+5, partial; L 1+2+4
    Prototype("drawn lips", {1: 1.1, 4: 0.8, 5: 1.1, 7: 0.3, 20: 1.2}, {2: (0.5, 0.5), 17: (0.2, 0.3)}, 0.8),  # EF 5+20
    Prototype("grimace", {1: 1.1, 4: 0.8, 5: 1.1, 16: 0.7, 20: 1.2, 25: 1.1}, {2: (0.5, 0.6)}, 1.4, held_out=True),
)

_NEUTRAL = (
    Prototype("rest", {}, {}, 3.0, rhythm="worn"),
    Prototype("resting frown", {}, {4: (0.6, 0.15), 15: (0.6, 0.15), 7: (0.3, 0.12)}, 0.8, rhythm="worn"),
    Prototype("resting smile", {12: 0.12}, {14: (0.5, 0.15), 6: (0.3, 0.1)}, 0.8, rhythm="worn"),
    Prototype("pressed lips", {24: 0.5}, {17: (0.3, 0.3)}, 0.6),
    Prototype("bitten lip", {32: 0.8}, {24: (0.3, 0.2)}, 0.4),
    Prototype("squint", {7: 0.8, 6: 0.25}, {}, 0.6),
    Prototype("flashing brows", {1: 0.5, 2: 0.55}, {}, 0.7, rhythm="flash"),
    Prototype("chewing", {26: 0.6, 30: 0.3, 24: 0.2}, {17: (0.4, 0.4)}, 0.9, rhythm="chew"),
    Prototype("open mouth", {26: 1.0, 25: 0.3}, {}, 0.8),
    Prototype("yawn", {27: 1.1, 43: 0.45}, {7: (0.5, 0.5), 25: (0.5, 0.3)}, 0.8),
    Prototype("lowered lids", {43: 0.2, 64: 0.45}, {}, 0.5),
    Prototype("pursed lips", {18: 0.8}, {}, 2.0, held_out=True),
    Prototype("jaw aside", {30: 0.8, 26: 0.5}, {}, 1.4, held_out=True),
)

#: Expression -> its forms; the first is the one of the textbooks.
PROTOTYPES: dict[str, tuple[Prototype, ...]] = {
    "happy": _HAPPY,
    "sad": _SAD,
    "neutral": _NEUTRAL,
    "angry": _ANGRY,
    "surprise": _SURPRISE,
    "disgust": _DISGUST,
    "fear": _FEAR,
}


def prototype(label: str, variant: int) -> Prototype:
    """The form with this number.

    Raises:
        ConfigError: no such expression or form.
    """
    if label not in PROTOTYPES:
        raise ConfigError(f"expression {label!r} is not modelled; known: {', '.join(PROTOTYPES)}")
    if not 0 <= variant < len(PROTOTYPES[label]):
        raise ConfigError(f"expression {label!r} has prototypes 0..{len(PROTOTYPES[label]) - 1}, not {variant}")
    return PROTOTYPES[label][variant]
