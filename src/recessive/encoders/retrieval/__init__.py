"""Retrieval networks: global descriptors of photos at their own shape and resolution.

Most encoders squeeze a photo to one small square. Instance retrieval, finding other photos of the same building or
product, does better with the photo's own shape and many pixels. A `RetrievalNetwork` runs a backbone on the whole
photo, at one or several scales, pools each feature map to a vector, and combines and optionally whitens these vectors.

Read `network` first: trunk, head and network. `files` loads networks from the public checkpoints of cnnimageretrieval
and from plain files of weights. `whitening` learns a `Whitening` from descriptors. The poolings are those of
`recessive.encoders.heads`.

Source: Radenović, Tolias, Chum, "Fine-tuning CNN image retrieval with no human annotation", 2018.
"""
