"""Features: descriptions of a photo that no network learned.

*Global* descriptors are one vector per photo. `CEDD` is a histogram of colours and edges, compared by the Tanimoto
distance; `GIST` holds the energies of Gabor filters in 4 × 4 blocks, compared by the Euclidean distance. GIST passes
gradients; CEDD does not, and has the differentiable stand-in `soft_cedd`.

*Local* features are many vectors per photo. `SIFT` finds keypoints and describes their surroundings; `describe_at` does
the latter with a gradient. A `Vocabulary` maps each local descriptor to its nearest word and a signature of 64 bits.
`BagOfWords` combines both; an inverted file searches what it gives for a photo, `VisualWords`.
"""

from recessive.encoders.features.cedd import CEDD, soft_cedd, soft_levels
from recessive.encoders.features.gist import GIST
from recessive.encoders.features.sift import SIFT, LocalFeatures, by_scale, describe_at, grey_levels
from recessive.encoders.features.vocabulary import BagOfWords, Vocabulary, bundled_vocabulary, training_descriptors

__all__ = [
    "CEDD",
    "GIST",
    "SIFT",
    "BagOfWords",
    "LocalFeatures",
    "Vocabulary",
    "bundled_vocabulary",
    "by_scale",
    "describe_at",
    "grey_levels",
    "soft_cedd",
    "soft_levels",
    "training_descriptors",
]
