"""Methods: published ways to protect photos, and ours. `METHODS` lists them by name.

`vanish` is the default, `joint` hides from searches without a network as well. `untargeted` holds the methods that lead
away from a photo's own code or descriptor, `targeted` those that take the code of a target, `class_codes` those that
lead away from the code of a class; `pire`, `tma`, `cwdm` and `gradient_difference` are one paper each. Methods without
gradients stand in `recessive.protection.keypoints` and `recessive.protection.obfuscation`.
"""

from recessive.protection.constants import Constant
from recessive.protection.keypoints import KEYPOINT_METHODS
from recessive.protection.method import (
    Method,
    MethodError,
    Need,
    Run,
    Surrogate,
    constants,
    defaults,
    with_constants,
)
from recessive.protection.methods.class_codes import CentreCode, Mainstay
from recessive.protection.methods.cwdm import CWDM, CWDM_FAMILY
from recessive.protection.methods.gradient_difference import GradientDifference
from recessive.protection.methods.joint import Joint
from recessive.protection.methods.pire import PIRE, PIRE_PLAIN, PIREBudget
from recessive.protection.methods.targeted import NAG, RNM, RNM_P2S, TANH_P2S, Tanh, TargetedRNM
from recessive.protection.methods.tma import TMA
from recessive.protection.methods.untargeted import FGSM, HAG, HDM, HDM_RELEASED, IFGSM
from recessive.protection.methods.vanish import Vanish
from recessive.protection.obfuscation import OBFUSCATIONS

_ALL: tuple[Method, ...] = (
    Vanish(),
    Joint(),
    PIRE(),
    PIRE_PLAIN,
    PIREBudget(),
    TMA(),
    HDM(),
    HDM_RELEASED,
    *CWDM_FAMILY,
    HAG(),
    Tanh(),
    TANH_P2S,
    RNM(),
    TargetedRNM(),
    RNM_P2S,
    FGSM(),
    IFGSM,
    GradientDifference(),
    NAG(),
    CentreCode(),
    Mainstay(),
    *KEYPOINT_METHODS,
    *OBFUSCATIONS,
)
METHODS: dict[str, Method] = {method.name: method for method in _ALL}

__all__ = [
    "CWDM",
    "METHODS",
    "Constant",
    "Joint",
    "Method",
    "MethodError",
    "Need",
    "Run",
    "Surrogate",
    "Vanish",
    "constants",
    "defaults",
    "with_constants",
]
