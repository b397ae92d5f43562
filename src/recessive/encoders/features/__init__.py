"""Features: descriptions of a photo that no network learned.

*Global* descriptors are one vector per photo. `CEDD` is a histogram of colours and edges, compared by the Tanimoto
distance; `GIST` holds the energies of Gabor filters in 4 × 4 blocks, compared by the Euclidean distance. GIST passes
gradients; CEDD does not, and has the differentiable stand-in `soft_cedd`.

*Local* features are many vectors per photo. `SIFT` finds keypoints and describes their surroundings; `describe_at` does
the latter with a gradient. A `Vocabulary` maps each local descriptor to its nearest word and a signature of 64 bits.
`BagOfWords` combines both; an inverted file searches what it gives for a photo, `VisualWords`.
"""
