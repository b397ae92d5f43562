"""Networks: what lies below a head, from the project's own small architectures to those of timm and torchvision.

A *backbone* maps normalised photos (N, 3, H, W) to a feature map (N, C, h, w). There are three ways to one:

- `backbones` lists by name those that hash networks can be trained on: small ones for photos of 28 to 64 pixels, the
  networks of the bundled encoders (both in `compact`), and torchvision's ResNets, VGG and AlexNet. `make_backbone`
  builds one with random weights, with those of a file, or pretrained.
- `pretrained` makes encoders of any network of timm or torchvision, by name (`library_encoder`), with the library's own
  weights and preprocessing; or recognises a well-known network by a file of its weights (`recognised_backbone`).
- `library` is what the two rest on: importing timm and torchvision, cutting off classifiers, downloading weights.
"""
