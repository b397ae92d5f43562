"""Methods: published ways to protect photos, and ours, one file each; `METHODS` lists them by name."""

from recessive.protection.method import Method, MethodError, Need, Run, Surrogate, defaults
from recessive.protection.methods.cwdm import CWDM, CWDM_SIGN
from recessive.protection.methods.hdm import HDM
from recessive.protection.methods.pire import PIRE, PIRE_PLAIN
from recessive.protection.methods.vanish import Vanish

_ALL: tuple[Method, ...] = (Vanish(), PIRE(), PIRE_PLAIN, HDM(), CWDM(), CWDM_SIGN)
METHODS: dict[str, Method] = {method.name: method for method in _ALL}

__all__ = ["CWDM", "HDM", "METHODS", "PIRE", "Method", "MethodError", "Need", "Run", "Surrogate", "Vanish", "defaults"]
