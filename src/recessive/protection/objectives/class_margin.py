"""Look more like another class than like one's own (gradient-difference)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from recessive.codes import sign
from recessive.encoders import Outputs


@dataclass(frozen=True)
class ClassMargin:
    """loss(x') = f_ℓ(x') − f_ℓ'(x') of the photo's own class ℓ and another one ℓ'.

    f_k is the mean similarity to the sample's photos of class k, which is the similarity to their mean s̄_k:

        codes:        f_k = h'·s̄_k / m,  h' = tanh(logits)
        descriptors:  f_k = d'·s̄_k

    A photo of several classes has the mean of their f for f_ℓ. Zhang, Zhang, Lin, "Recessive social networking",
    Fig. 2: its r is minus the gradient of this loss.

    Attributes:
        means: s̄ (C, D).
        own: which classes are each photo's own (N, C), bool.
        other: ℓ' of each photo (N,), int64.
        outputs: whether outputs are logits or descriptors.
    """

    means: Tensor
    own: Tensor
    other: Tensor
    outputs: Outputs

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:  # noqa: ARG002 - constant throughout
        """Outputs (N, D) to losses (N,)."""
        scores = self._scores(outputs.tanh() if self.outputs == "logits" else outputs)
        own = (scores * self.own).sum(1) / self.own.sum(1)
        return own - scores.gather(1, self.other[:, None]).squeeze(1)

    def score(self, outputs: Tensor) -> Tensor:
        """0 where ℓ' is the best of all classes (N,), by the code that a search sees; 1 elsewhere."""
        scores = self._scores(sign(outputs) if self.outputs == "logits" else outputs)
        return (scores.argmax(1) != self.other).float()

    def _scores(self, items: Tensor) -> Tensor:
        """Codes, softened or not, or descriptors (N, D) to class scores f (N, C)."""
        scores = items @ self.means.T
        return scores / items.shape[1] if self.outputs == "logits" else scores

    def of(self, rows: Tensor) -> ClassMargin:
        """For some photos of the batch."""
        return replace(self, own=self.own[rows], other=self.other[rows])
