"""Train the bundled encoders and index the reference gallery.

    python scripts/train_encoders.py views    --data DIR --teacher FILE --work DIR
    python scripts/train_encoders.py train    --work DIR --network conv
    python scripts/train_encoders.py bundle   --work DIR --data DIR [--figures FILE]

`--data` is the unpacked folder `train` of the training photos, `<class>/<photo>.jpg`. `views` draws the training
views once and stores the descriptor that the teacher (MobileNetV2-GeM) gives for each; `train` fits one network to
these descriptors and to the labels, and resumes from its last checkpoint if it was stopped; `bundle` fits the two heads
that the encoders are used with, and writes float16 weights, model cards and the reference gallery into the package.
Seeds are fixed, but sums differ in their last digits with the number of threads.
`benchmarks/photos_instances.py --json` measures the outcome; its output is passed as `--figures` and goes into the
cards.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.lib.format import open_memmap
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from recessive.codes import hamming, pack, sign
from recessive.encoders import DescriptorHead, HashLayer, Trunk, encoder_from_weights
from recessive.encoders.bundle import BITS, CLASS_DIM, LAST_DIM, NETWORKS, BundledNetwork
from recessive.encoders.networks.backbones import BUNDLE
from recessive.galleries.thresholds import best_f1, cosine_candidates, hamming_candidates

SEED = 0
SIDE = 128
VIEWS = 4
HELD_OUT_A_CLASS = 50
GALLERY = 5000
ROUNDS = 50
EARLY_P = 4.0  # exponent of the early map's GeM: its strongest responses tell instances apart, not its mean
# Shares of colours and edges, of the last features and of the classes in each network's descriptor: chosen so
# that both mAP of benchmarks/photos_instances.py reach 80% of the teacher's, hence not independent of those photos.
SHARES = {"conv": (0.18, 0.37, 0.45), "depthwise": (0.12, 0.18, 0.7), "transformer": (0.2, 0.23, 0.57)}


def photo_files(data: Path) -> tuple[list[Path], np.ndarray]:
    """Return all training photos in a fixed order, and the class number of each."""
    files = sorted(data.glob("*/*.jpg"))
    classes = sorted({file.parent.name for file in files})
    return files, np.array([classes.index(file.parent.name) for file in files])


def split(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices to train on and to validate on: 50 photos of each class are held out."""
    generator = np.random.default_rng(SEED)
    held_out = np.concatenate(
        [generator.permutation(np.flatnonzero(labels == c))[:HELD_OUT_A_CLASS] for c in np.unique(labels)]
    )
    return np.setdiff1d(np.arange(len(labels)), held_out), np.sort(held_out)


def view(photo: Image.Image, generator: np.random.Generator | None) -> np.ndarray:
    """The whole photo (without a generator) or a random part of it, squeezed to a square: (3, SIDE, SIDE)."""
    width, height = photo.size
    box = (0.0, 0.0, float(width), float(height))
    if generator is not None:
        scale, stretch = np.sqrt(generator.uniform(0.3, 1.0)), np.sqrt(generator.uniform(3 / 4, 4 / 3))
        w, h = width * min(scale * stretch, 1.0), height * min(scale / stretch, 1.0)
        x, y = generator.uniform(0, width - w), generator.uniform(0, height - h)
        box = (x, y, x + w, y + h)
    square = photo.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box)
    return np.asarray(square).transpose(2, 0, 1)


@torch.no_grad()
def draw_views(arguments: argparse.Namespace) -> None:
    """Write views.npy (VIEWS, N, 3, SIDE, SIDE), teacher.npy (VIEWS, N, 1280) and labels.npy."""
    files, labels = photo_files(arguments.data)
    arguments.work.mkdir(parents=True, exist_ok=True)
    np.save(arguments.work / "labels.npy", labels)
    teacher = encoder_from_weights(arguments.teacher, size=160).to(memory_format=torch.channels_last)
    views = open_memmap(arguments.work / "views.npy", "w+", np.uint8, (VIEWS, len(files), 3, SIDE, SIDE))
    answers = open_memmap(arguments.work / "teacher.npy", "w+", np.float16, (VIEWS, len(files), 1280))
    generator = np.random.default_rng(SEED)
    start = time.time()
    for first in range(0, len(files), 64):
        photos = [Image.open(file).convert("RGB") for file in files[first : first + 64]]
        last = first + len(photos)
        for number in range(VIEWS):
            batch = np.stack([view(photo, generator if number else None) for photo in photos])
            views[number, first:last] = batch
            pixels = torch.from_numpy(batch).contiguous(memory_format=torch.channels_last) / 255
            with torch.autocast("cpu", torch.bfloat16):
                answers[number, first:last] = teacher(pixels).float().numpy()
        if first % 1024 == 0:
            print(f"{last}/{len(files)} photos, {VIEWS * last / (time.time() - start):.0f} views/s", flush=True)
    views.flush()
    answers.flush()


def whitening(features: Tensor, dim: int, power: float) -> tuple[Tensor, Tensor]:
    """Return the mean (C,) and map (C, dim) of a PCA that evens out the axes: t = L2(Vᵀ(g − mean) · λ^(−power)).

    The leading axes are shared by all photos and dominate the rest. Power ½ gives all axes the same variance, ¼ goes
    half of the way in logarithms.
    """
    mean = features.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov((features - mean).T))
    return mean, (vectors * values.clamp(min=1e-8) ** -power)[:, -dim:]


class Student(nn.Module):
    """A trunk with the two heads that it is trained through, both on the last feature map."""

    def __init__(self, name: str) -> None:
        super().__init__()
        backbone = NETWORKS[name]()
        self.trunk = Trunk(backbone, SIDE)
        self.descriptor = DescriptorHead(backbone.channels, LAST_DIM)
        self.code = HashLayer(backbone.channels, BITS)

    def forward(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """Photos (N, 3, H, W) to descriptors (N, LAST_DIM) and logits (N, BITS)."""
        last = self.trunk(photos)[1]
        return self.descriptor(last), self.code(last)


def retrieval_map(outputs: Tensor, labels: Tensor) -> float:
    """Leave-one-out mAP by dot product, good enough to monitor training (ties are in arbitrary order)."""
    scores = outputs @ outputs.T
    scores.fill_diagonal_(-torch.inf)
    relevant = (labels[scores.argsort(descending=True)[:, :-1]] == labels[:, None]).float()
    precision = relevant.cumsum(1) / torch.arange(1, relevant.shape[1] + 1)
    return float(((precision * relevant).sum(1) / relevant.sum(1)).mean())


class Losses(nn.Module):
    """What a network is asked for: the teacher's descriptor, the labels, and codes that keep both.

    L = (1 − d·t) + ½ CE(16 cos(d, w_y)) + ½ CE(8 cos(b, v_y)) + 2 mean_ij (b_i·b_j / m − t_i·t_j)²
        + 0.1 mean | |u| − 1 |³
    for descriptors d, teacher's descriptors t, logits u, b = sign(u) with a straight-through gradient
    (GreedyHash, Su et al. 2018, for the last term and b).
    """

    def __init__(self, classes: int, bits: int) -> None:
        super().__init__()
        self.of_descriptor = nn.Parameter(torch.randn(classes, LAST_DIM))
        self.of_code = nn.Parameter(torch.randn(classes, bits))

    def forward(self, descriptors: Tensor, logits: Tensor, targets: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The terms of L by name, for a batch."""
        codes = logits + (torch.where(logits >= 0, 1.0, -1.0) - logits).detach()
        similar = codes @ codes.T / codes.shape[1]
        wanted = targets @ targets.T
        apart = ~torch.eye(len(codes), dtype=torch.bool)
        by_descriptor = F.linear(descriptors, F.normalize(self.of_descriptor))
        by_code = F.linear(F.normalize(codes), F.normalize(self.of_code))
        return {
            "teacher": 1 - (descriptors * targets).sum(1).mean(),
            "labels": 0.5 * F.cross_entropy(16 * by_descriptor, labels, label_smoothing=0.1),
            "code_labels": 0.5 * F.cross_entropy(8 * by_code, labels),
            "code_pairs": 2 * (similar - wanted)[apart].square().mean(),
            "code_signs": 0.1 * (logits.abs() - 1).abs().pow(3).mean(),
        }


def jitter(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of the photos; change brightness and contrast a little."""
    count = len(pixels)
    mirrored = torch.rand(count, generator=generator) < 0.5
    pixels = torch.where(mirrored[:, None, None, None], pixels.flip(-1), pixels)
    gain = 1 + 0.3 * (torch.rand(count, 1, 1, 1, generator=generator) - 0.5)
    shift = 0.2 * (torch.rand(count, 1, 1, 1, generator=generator) - 0.5)
    return (pixels * gain + shift).clamp(0, 1)


@torch.no_grad()
def validate(network: Student, pixels: Tensor, labels: Tensor) -> dict[str, float]:
    """mAP of descriptors and of codes, held-out photos against each other."""
    network.eval()
    outputs = [network(batch / 255) for batch in pixels.split(100)]
    descriptors, logits = (torch.cat(part) for part in zip(*outputs, strict=True))
    codes = torch.where(logits >= 0, 1.0, -1.0)
    return {"map_descriptor": retrieval_map(descriptors, labels), "map_code": retrieval_map(codes, labels)}


def train(arguments: argparse.Namespace) -> None:  # noqa: PLR0915 - one loop, top to bottom
    """Fit one network; weights and log end in `work/<network>.safetensors` and `work/<network>.json`."""
    torch.manual_seed(SEED)
    labels = torch.from_numpy(np.load(arguments.work / "labels.npy"))
    views = np.load(arguments.work / "views.npy", mmap_mode="r")
    answers = torch.from_numpy(np.load(arguments.work / "teacher.npy"))
    kept, held_out = split(labels.numpy())
    mean, projection = whitening(answers[0, kept].float(), LAST_DIM, 0.25)

    network = Student(arguments.network).to(memory_format=torch.channels_last)
    earlier = None
    if arguments.start:
        network.load_state_dict(load_file(arguments.start))
        earlier = json.loads(arguments.start.with_suffix(".json").read_text())
    losses = Losses(int(labels.max()) + 1, BITS)
    parameters = [*network.parameters(), *losses.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=arguments.lr, weight_decay=0.05)
    batches = len(kept) // arguments.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, arguments.lr, total_steps=arguments.epochs * batches, pct_start=0.1
    )
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995), use_buffers=True
    )
    checkpoint = arguments.work / f"{arguments.network}.pt"
    state = {"epoch": 0, "seconds": 0.0, "log": []}
    if checkpoint.is_file():
        saved = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(saved["network"])
        losses.load_state_dict(saved["losses"])
        optimiser.load_state_dict(saved["optimiser"])
        schedule.load_state_dict(saved["schedule"])
        average.load_state_dict(saved["average"])
        state = saved["state"]
    held_out_pixels = torch.from_numpy(views[0, held_out])
    for epoch in range(state["epoch"], arguments.epochs):
        start = time.time()
        generator = torch.Generator().manual_seed(1000 * SEED + epoch)
        order = torch.from_numpy(kept)[torch.randperm(len(kept), generator=generator)]
        chosen = torch.randint(VIEWS, (len(kept),), generator=generator)
        sums: dict[str, float] = {}
        network.train()
        for batch in range(batches):
            part = slice(batch * arguments.batch, (batch + 1) * arguments.batch)
            photos, number = order[part], chosen[part]
            pixels = torch.from_numpy(views[number.numpy(), photos.numpy()]).float() / 255
            pixels = jitter(pixels, generator).contiguous(memory_format=torch.channels_last)
            targets = F.normalize((answers[number, photos].float() - mean) @ projection)
            with torch.autocast("cpu", torch.bfloat16):
                descriptors, logits = network(pixels)
            parts = losses(descriptors.float(), logits.float(), targets, labels[photos])
            optimiser.zero_grad(set_to_none=True)
            torch.stack(list(parts.values())).sum().backward()
            nn.utils.clip_grad_norm_(parameters, 2.0)
            optimiser.step()
            schedule.step()
            average.update_parameters(network)
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value.item() / batches
            if batch % 50 == 0:
                rate = (batch + 1) * arguments.batch / (time.time() - start)
                print(f"  {batch}/{batches} {rate:.0f} photos/s", flush=True)
        state["epoch"] = epoch + 1
        state["seconds"] += time.time() - start
        line = {"epoch": epoch + 1, "seconds": round(state["seconds"]), **{k: round(v, 4) for k, v in sums.items()}}
        line |= {k: round(v, 4) for k, v in validate(average.module, held_out_pixels, labels[held_out]).items()}
        state["log"].append(line)
        print(json.dumps(line), flush=True)
        saved = {
            "network": network.state_dict(),
            "losses": losses.state_dict(),
            "optimiser": optimiser.state_dict(),
            "schedule": schedule.state_dict(),
            "average": average.state_dict(),
            "state": state,
        }
        torch.save(saved, checkpoint.with_suffix(".tmp"))
        checkpoint.with_suffix(".tmp").rename(checkpoint)
    card = {
        "network": arguments.network,
        "seed": SEED,
        "epochs": arguments.epochs,
        "batch": arguments.batch,
        "lr": arguments.lr,
        "seconds": round(state["seconds"]),
        "started_from": earlier,
        "held_out": {k: v for k, v in state["log"][-1].items() if k.startswith("map")},
        "log": state["log"],
    }
    save_file(
        {k: v.contiguous() for k, v in average.module.state_dict().items()},
        arguments.work / f"{arguments.network}.safetensors",
    )
    (arguments.work / f"{arguments.network}.json").write_text(json.dumps(card, indent=1))


def pooled(network: BundledNetwork, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Both feature maps of photos (N, 3, SIDE, SIDE), uint8, pooled to maps of one place (N, C, 1, 1).

    GeM of a map of one place is the map itself, so that heads can be fitted and tried without running the trunk again.
    """
    early, last = network.descriptor.parts[0].pool, network.descriptor.parts[1].pool
    features = [network.trunk(batch / 255) for batch in pixels.split(100)]
    first = torch.cat([early(maps[0]) for maps in features])[..., None, None]
    return first, torch.cat([last(maps[1]) for maps in features])[..., None, None]


def discriminants(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (C,) and map (C, CLASS_DIM) of a linear discriminant analysis of features (N, C).

    Directions that tell the classes' means apart once the scatter within classes is evened out, that scatter shrunk by
    0.3 of its mean variance (Fisher 1936; Friedman, "Regularized discriminant analysis", 1989). Scaled so that what
    comes out has length 1 in the mean: more for photos that are clearly of a class, less for those of none.
    """
    means = torch.stack([features[labels == c].mean(0) for c in range(CLASS_DIM + 1)])
    within = torch.cov((features - means[labels]).T)
    within = within + 0.3 * within.diagonal().mean() * torch.eye(len(within))
    even = torch.linalg.cholesky(torch.linalg.inv(within))
    spread = (means - means.mean(0)) @ even
    mean, axes = features.mean(0), even @ torch.linalg.svd(spread)[2][:CLASS_DIM].T
    return mean, axes / ((features - mean) @ axes).norm(dim=1).mean()


def fit_heads(network: BundledNetwork, features: tuple[Tensor, Tensor], labels: Tensor) -> None:
    """Fill the heads that the encoders are used with, from what `pooled` gives for training photos.

    Of the descriptor's parts, two are the early and the last features, whitened, and the third separates the classes.
    Bits are signs of the descriptor's leading axes.
    """
    early, last = (level.flatten(1) for level in features)
    fitted = whitening(early, early.shape[1], 0.5), whitening(last, LAST_DIM, 0.5), discriminants(last, labels)
    for part, (mean, projection) in zip(network.descriptor.parts, fitted, strict=True):
        part.projection.weight.copy_(projection.T)
        part.projection.bias.copy_(-mean @ projection)
    descriptors = network.descriptor(features)
    weight = quantisation_axes(descriptors, BITS)
    network.bits.weight.copy_(weight)
    network.bits.bias.copy_(-weight @ descriptors.mean(0))


def quantisation_axes(items: Tensor, bits: int) -> Tensor:
    """Directions (bits, D) whose signs keep most of what items (N, D) are: iterative quantisation.

    min_R ||sign(Z R) − Z R||² over rotations R of the leading axes Z (Gong, Lazebnik, "Iterative quantization", 2011,
    Algorithm 1). Scaled to logits of unit variance, because vanish lets bits rest from |logit| = 1.5 on.
    """
    centred = items - items.mean(0)
    axes = torch.linalg.svd(centred, full_matrices=False)[2][:bits].T
    leading = centred @ axes
    rotation = torch.linalg.qr(torch.randn(bits, bits, generator=torch.Generator().manual_seed(SEED)))[0]
    for _ in range(ROUNDS):
        left, _, right = torch.linalg.svd(sign(leading @ rotation).T @ leading)
        rotation = (left @ right).T
    return (axes @ rotation / (leading @ rotation).std()).T


def thresholds(name: str, network: BundledNetwork, features: tuple[Tensor, Tensor], labels: Tensor) -> dict[str, float]:
    """T of the best F1 of each head, held-out photos against each other by class."""
    others = ~torch.eye(len(labels), dtype=torch.bool)
    shape = (len(labels), len(labels) - 1)
    relevant = (labels[:, None] == labels[None])[others].view(shape)
    descriptors = network.descriptor(features)
    codes = sign(network.bits(descriptors))
    dense = best_f1((1 - descriptors @ descriptors.T)[others].view(shape), relevant, cosine_candidates())
    bits = best_f1(hamming(codes, codes)[others].view(shape), relevant, hamming_candidates(BITS))
    return {f"{name}-gem": round(dense.threshold, 4), f"{name}-hash": bits.threshold}


@torch.no_grad()
def bundle(arguments: argparse.Namespace) -> None:
    """Write float16 weights, model cards and the reference gallery into the package."""
    files, labels = photo_files(arguments.data)
    _, held_out = split(labels)
    views = np.load(arguments.work / "views.npy", mmap_mode="r")
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(files))[:GALLERY])
    figures = json.loads(arguments.figures.read_text()) if arguments.figures else {}
    BUNDLE.mkdir(exist_ok=True)
    for name in NETWORKS:
        student, network = Student(name), BundledNetwork(name).eval()
        student.load_state_dict(load_file(arguments.work / f"{name}.safetensors"))
        network.trunk.load_state_dict(student.trunk.state_dict())
        network.descriptor.parts[0].pool.p.fill_(EARLY_P)
        for part in network.descriptor.parts[1:]:
            part.pool.load_state_dict(student.descriptor.pool.state_dict())
        network.descriptor.shares.copy_(torch.tensor(SHARES[name]))
        network.half().float()  # all that follows is fitted to, and measured on, the weights as stored
        features = pooled(network, torch.from_numpy(views[0, chosen]))
        fit_heads(network, features, torch.from_numpy(labels[chosen]))
        stored = {k: v.half() if v.is_floating_point() else v for k, v in network.state_dict().items()}
        save_file(stored, BUNDLE / f"{name}.safetensors")
        network.load_state_dict(stored)
        descriptors = network.descriptor(features)
        gallery = {f"{name}-gem": descriptors.half(), f"{name}-hash": pack(sign(network.bits(descriptors)))}
        save_file(gallery, BUNDLE / f"{name}-gallery.safetensors")
        held_out_features = pooled(network, torch.from_numpy(views[0, held_out]))
        early = network.trunk.backbone.early_channels
        card = {
            "network": name,
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "descriptor_dim": network.descriptor.dim,
            "descriptor": f"{early} + {LAST_DIM} + {CLASS_DIM} values: early features, last features, classes",
            "shares": SHARES[name],
            "bits": BITS,
            "input": f"{network.trunk.size} x {network.trunk.size}, resized inside",
            "training": {
                "data": "Imagenette train (9,469 photos) and Clothing (3,781), short side 128, 50 a class held out",
                "teacher": "MobileNetV2 1.0 (ImageNet), GeM p=3, PCA-whitened; and the 20 class labels",
                **json.loads((arguments.work / f"{name}.json").read_text()),
            },
            "thresholds": thresholds(name, network, held_out_features, torch.from_numpy(labels[held_out])),
            "figures": {
                "protocol": "benchmarks/photos_instances.py",
                "teacher": figures.get("teacher"),
                "encoders": [e for e in figures.get("encoders", []) if e["name"].startswith(f"{name}-")],
            },
        }
        (BUNDLE / f"{name}.json").write_text(json.dumps(card, indent=1) + "\n")
        print(f"{name}: thresholds {card['thresholds']}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("views", help="draw views and describe them by the teacher")
    command.add_argument("--data", type=Path, required=True)
    command.add_argument("--teacher", type=Path, required=True, help="mobilenetv2_100 as safetensors, timm's names")
    command.add_argument("--work", type=Path, required=True)
    command.set_defaults(run=draw_views)
    command = commands.add_parser("train", help="fit one network, resuming when stopped")
    command.add_argument("--work", type=Path, required=True)
    command.add_argument("--network", choices=list(NETWORKS), required=True)
    command.add_argument("--epochs", type=int, default=12)
    command.add_argument(
        "--start", type=Path, help="start a new training from these weights (and the .json beside them)"
    )
    command.add_argument("--batch", type=int, default=64)
    command.add_argument("--lr", type=float, default=2e-3)
    command.set_defaults(run=train)
    command = commands.add_parser("bundle", help="write weights, cards and reference gallery into the package")
    command.add_argument("--work", type=Path, required=True)
    command.add_argument("--data", type=Path, required=True)
    command.add_argument("--figures", type=Path, help="what benchmarks/photos_instances.py --json printed")
    command.set_defaults(run=bundle)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
