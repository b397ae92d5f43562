"""How sharply tanh stands for the sign as a run goes on (HAG, DHTA, Tanh-P2P and Tanh-P2S)."""

from __future__ import annotations

ALPHAS = (0.1, 0.1, 0.1, 0.1, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)  # one a tenth of the run


def sharpness(progress: float) -> float:
    """α in tanh(α · logit): 0.1 for half of the run, then 0.2, 0.3, 0.5, 0.7 and 1.0 for a tenth each.

    Huang et al., "A fast method for protecting users' privacy in image hash retrieval system", Machines 2022,
    section 5.2: 1000 of 2000 steps and 200 each. Their section 3.2 prints 0.2, 0.5, 0.7, 0.9, 1; the released code
    of DHTA has the former.

    Args:
        progress: share of the run that is over, in [0, 1].
    """
    return ALPHAS[min(int(len(ALPHAS) * progress), len(ALPHAS) - 1)]
