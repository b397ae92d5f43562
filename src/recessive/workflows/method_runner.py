"""A method with its surrogates, loaded once and run on many photos: the part that protecting and private queries share.

A photo is changed on a grid of at most `grid` pixels on the long side, and the change is then enlarged smoothly, so
that a large photo costs no more than a small one. The result is projected back into the ball around the full photo.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from recessive.balls import L2, Ball, LInf
from recessive.devices import pick_device
from recessive.encoders import accelerate
from recessive.errors import SettingsError
from recessive.options import MethodOptions
from recessive.photos import OutputSettings, Photo, PhotoError
from recessive.protection.method import MethodError, check, same_class, with_constants
from recessive.protection.methods import METHODS, Method, Run, Surrogate
from recessive.searchers import default_surrogates, find, find_differentiable, find_threshold, reference_items, unseen
from recessive.transforms import JPEG, BitDepth, parse_transform
from recessive.transforms.transform import enlarge, grey, shrink
from recessive.workflows.samples import OwnersSample, label_of, read_sample

SMALLEST_SIDE = 32  # pixels; below, there is nothing to hide a change in


def surrogates_for(method: str, encoders: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the encoders that a method optimises against: the named ones, or all seen ones that fit it.

    Args:
        method: a key of `METHODS`.
        encoders: names that the registry of searchers knows; None for the default.

    Raises:
        SettingsError: if the method or an encoder is unknown, or the method cannot use the encoder.
        EncoderError: if the checkpoint that an encoder names is damaged.
    """
    if method not in METHODS:
        raise SettingsError(f"no method is called {method!r}; there are {', '.join(METHODS)}")
    accepts = METHODS[method].accepts
    found = find_differentiable(dict.fromkeys(encoders or default_surrogates(accepts)))
    unfit = [entry.name for entry in found if entry.outputs not in accepts]
    if unfit:
        wanted = " or ".join(sorted(accepts))
        raise SettingsError(f"{method} needs encoders that give {wanted}; not so: {', '.join(unfit)}")
    return tuple(dict.fromkeys(entry.name for entry in found))


class MethodRunner:
    """A method with its surrogates, loaded once and run on one photo after another.

    Args:
        settings: the options of the method.
        label: the class of the photos, the name of a folder in the sample.
        targeted: whether `change` will be given targets.
        progress: called with (photos read, photos in total) while a sample is read from a folder.
        on_error: called with the error of each photo of the sample that cannot be read.

    Attributes:
        method: the method.
        encoders: the names of the encoders that it optimises against; none for a method without gradients.
        against: these, and the hand-crafted features that the method works against in its own way.
        judges: the names of the surrogates, and of the encoders that share no network with them.
        thresholds: the thresholds of surrogates that come without one, by name.
        budget: the radius of the ball, in 1/255.
        steps: the largest number of steps; 0 for a method without gradients.
        device: where the method runs.
        sample_digest: the digest of the owner's sample; None for the bundled one.

    Raises:
        SettingsError: if the method, an encoder, the format or the device is unknown, if the method cannot use an
            encoder or lacks what it needs, or if a target, sample or label does not fit.
        EncoderError: if weights are missing or damaged.
    """

    def __init__(
        self,
        settings: MethodOptions,
        *,
        label: str | None = None,
        targeted: bool = False,
        progress: Callable[[int, int], None] | None = None,
        on_error: Callable[[PhotoError], None] | None = None,
    ) -> None:
        names = surrogates_for(settings.method, settings.encoder)
        self.settings = settings
        self.method: Method = METHODS[settings.method]
        if settings.constants:
            try:
                self.method = with_constants(self.method, settings.constants)
            except MethodError as error:
                raise SettingsError(f"--set: {error.problem}") from None
        climbs = "gradients" in self.method.needs
        self.device = pick_device(settings.device)
        if targeted and "target" not in self.method.needs:
            fit = [name for name, method in METHODS.items() if "target" in method.needs]
            raise SettingsError(f"{self.method.name} takes no --target; methods that do: {', '.join(fit) or 'none'}")
        self.encoders = names if climbs else ()
        self.against = (*self.encoders, *self.method.against)
        self.judges = (*names, *unseen(names))
        self.budget = self.method.budget if settings.budget is None else settings.budget
        self.steps = (self.method.steps if settings.steps is None else settings.steps) if climbs else 0
        self.sample_digest: str | None = None
        self.thresholds: dict[str, float] = {}
        self._label: Tensor | None = None
        self._surrogates = self._load(names, label, targeted=targeted, progress=progress, on_error=on_error)

    def _load(
        self,
        names: Sequence[str],
        label: str | None,
        *,
        targeted: bool,
        progress: Callable[[int, int], None] | None,
        on_error: Callable[[PhotoError], None] | None,
    ) -> list[Surrogate]:
        """Load the surrogates onto the device, once it is clear that nothing is missing: before any photo is read."""
        entries, folder = [find(name) for name in names], self.settings.sample
        describers = [entry.describer() for entry in entries]
        encoders = [describer.network for describer in describers if describer.network is not None]
        photo, any_label = torch.zeros(1, 3, 1, 1), torch.zeros(1, dtype=torch.int64)
        requested = self._run(targets=[photo[0]] if targeted else None)
        labels = any_label if label is not None and folder is not None else None
        given = [Surrogate(encoder, torch.ones(1, encoder.dim), 1.0, labels) for encoder in encoders]
        try:
            check(self.method, photo, given, replace(requested, labels=labels))
            if self.device.type != "cpu" or self.settings.precision != "float32":
                # copies: those of the audit stay as they are
                encoders = accelerate(encoders, self.device, self.settings.precision)
            sample: OwnersSample | None = None
            if folder is not None:
                sample = read_sample(folder, encoders, self.device, progress=progress, on_error=on_error)
                self.sample_digest = sample.digest
            surrogates = []
            for number, (entry, describer, encoder) in enumerate(zip(entries, describers, encoders, strict=True)):
                stored, labels = entry.stored, None if sample is None else sample.labels
                if sample is not None:
                    items = sample.items[number]
                    threshold = find_threshold(describer, sample.first) if stored is None else stored.threshold
                elif stored is not None and stored.sample is not None:
                    items, threshold = stored.sample(), stored.threshold
                else:
                    made = reference_items(describer)
                    items, threshold = made.sample(), made.threshold
                if stored is None:
                    self.thresholds[entry.name] = threshold
                surrogates.append(Surrogate(encoder, items.to(self.device), threshold, labels))
            if label is not None:
                self._label = label_of(label, sample, folder)
                if "labels" in self.method.needs:
                    same_class(surrogates[0], self._run())  # there are photos of that class, and of others
        except MethodError as error:
            raise SettingsError(str(error)) from None
        return surrogates

    def _ball(self) -> Ball:
        return LInf(self.budget) if self.settings.norm == "linf" else L2(self.budget)

    def _run(self, targets: Sequence[Tensor] | None = None) -> Run:
        return Run(
            self._ball(),
            self.steps,
            [self.settings.seed],
            survive=[parse_transform(text) for text in self.settings.survive],
            labels=self._label,
            targets=None if targets is None else [targets],
        )

    def change(
        self,
        photo: Photo,
        saved_as: OutputSettings,
        targets: Sequence[Tensor] | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> tuple[Tensor, int]:
        """Change one photo.

        Args:
            photo: the photo as it was decoded.
            saved_as: how the result will be saved.
            targets: photos (3, h, w) that it shall be taken for.
            progress: called at each step with the share of the work that is done, in [0, 1]; an exception that it
                raises ends the work.

        Returns:
            The changed pixels (3, H, W) on the 8-bit grid, and the number of steps that were taken.

        Raises:
            PhotoError: if the photo is too small.
            ValueError: if the gradient of the method is not finite.
        """
        height, width = photo.pixels.shape[-2:]
        if min(height, width) < SMALLEST_SIDE:
            raise PhotoError(photo.path, f"is {width} × {height} pixels; at least {SMALLEST_SIDE} a side are needed")
        full, ball = photo.pixels[None], self._ball()
        if self.budget == 0:
            return ball.to_grid(full, full)[0], 0
        lossy = JPEG(saved_as.quality, saved_as.subsampling or "4:4:4") if saved_as.quality else BitDepth(8)
        saving = (lambda photos: lossy(grey(photos))) if photo.grey else lossy
        # What a method without gradients does, such as a mosaic, is meant at the photo's own size, and costs little.
        small = shrink(full, self.settings.grid if self.encoders else max(height, width))
        run = replace(self._run(targets), saving=saving, progress=progress)
        found = self.method(small.to(self.device), self._surrogates, run)
        if bool(found.broken[0]):
            raise ValueError(
                f"the gradient of {self.method.name} is not finite for it; choose another --method or --encoder"
            )
        changed = full + enlarge(found.photos.cpu() - small, (height, width))
        if photo.grey:
            changed = grey(changed)
        return ball.to_grid(ball.project(changed, full), full)[0], int(found.steps[0])
