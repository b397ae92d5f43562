"""Photos changed by a method, whatever for: the method with its surrogates, loaded once for many photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from recessive.balls import L2, Ball, LInf
from recessive.devices import pick_device
from recessive.encoders import Encoder, EncoderError, accelerate, bundled_encoders, owners_sample
from recessive.errors import SettingsError
from recessive.photos import OutputSettings, Photo, PhotoError, format_named
from recessive.protection.method import MethodError, check, same_class, sample_of
from recessive.protection.methods import METHODS, Method, Run, Surrogate
from recessive.searchers.searchers import check_bundled, default_surrogates, load_bundled, unseen
from recessive.transforms import JPEG, BitDepth, parse_transform
from recessive.transforms.grid import enlarge, grey, shrink
from recessive.workflows.owners_photos import OwnersSample, label_of, read_sample
from recessive.workflows.settings import MethodSettings

SMALLEST_SIDE = 32  # pixels; below, there is nothing to hide a change in


def surrogates_for(method: str, encoders: Sequence[str] | None) -> tuple[str, ...]:
    """Names of the encoders that a method is to use: those asked for, else all seen ones that fit it.

    Args:
        method: a key of `METHODS`.
        encoders: names of bundled encoders; None for the default.

    Raises:
        SettingsError: an unknown method or encoder, or one that the method cannot use.
    """
    if method not in METHODS:
        raise SettingsError(f"no method is called {method!r}; there are {', '.join(METHODS)}")
    accepts, listed = METHODS[method].accepts, bundled_encoders()
    names = tuple(dict.fromkeys(encoders or default_surrogates(accepts)))
    try:
        check_bundled(names)
    except EncoderError as error:
        raise SettingsError(str(error)) from None
    unfit = [name for name in names if listed[name].outputs not in accepts]
    if unfit:
        wanted = " or ".join(sorted(accepts))
        raise SettingsError(f"{method} needs encoders that give {wanted}; not so: {', '.join(unfit)}")
    return names


class Changer:
    """A method with its surrogates, on their device.

    Args:
        settings: what is asked for.
        label: class of the photos, the name of a folder of the sample.
        targeted: whether `change` will be given targets.
        progress: told how many of how many photos of the sample are read, when it is a folder.
        complain: told of photos of the sample that cannot be read.

    Attributes:
        method: the method.
        encoders: names of the encoders that it optimises against; none for a method without gradients.
        against: these, and the local and global searches that it works against in its own way.
        judges: names of the surrogates, and of the encoders that share no network with them.
        budget: in 1/255.
        steps: at most so many; 0 for a method without gradients.
        device: where it runs.
        sample_digest: of the owner's sample; None for the bundled one.

    Raises:
        SettingsError: an unknown method, encoder, format or device, a method that cannot use an encoder or lacks what
            it needs, a target for a method that takes none, or a sample or label that does not fit.
    """

    def __init__(
        self,
        settings: MethodSettings,
        *,
        label: str | None = None,
        targeted: bool = False,
        progress: Callable[[int, int], None] | None = None,
        complain: Callable[[PhotoError], None] | None = None,
    ) -> None:
        names = surrogates_for(settings.method, settings.encoders)
        self.settings = settings
        self.method: Method = METHODS[settings.method]
        climbs = "gradients" in self.method.needs
        encoders = load_bundled(names)
        self.device = pick_device(settings.device)
        try:
            if settings.format is not None:
                format_named(settings.format)
        except ValueError as error:
            raise SettingsError(str(error)) from None
        if targeted and "target" not in self.method.needs:
            fit = [name for name, method in METHODS.items() if "target" in method.needs]
            raise SettingsError(f"{self.method.name} takes no --target; methods that do: {', '.join(fit) or 'none'}")
        self.encoders = names if climbs else ()
        self.against = (*self.encoders, *self.method.against)
        self.judges = (*names, *unseen(names))
        self.budget = self.method.budget if settings.budget is None else settings.budget
        self.steps = (self.method.steps if settings.steps is None else settings.steps) if climbs else 0
        self.sample_digest: str | None = None
        self._label: Tensor | None = None
        self._surrogates = self._load(encoders, label, targeted=targeted, progress=progress, complain=complain)

    def _load(
        self,
        encoders: Sequence[Encoder],
        label: str | None,
        *,
        targeted: bool,
        progress: Callable[[int, int], None] | None,
        complain: Callable[[PhotoError], None] | None,
    ) -> list[Surrogate]:
        """Surrogates on the device, once it is clear that nothing is missing: before any photo is read."""
        listed, folder = bundled_encoders(), self.settings.sample
        if self.device.type != "cpu" or self.settings.precision != "float32":
            encoders = accelerate(encoders, self.device, self.settings.precision)  # copies: the audit's stay unchanged
        surrogates = [Surrogate(e, owners_sample(e.name).to(self.device), listed[e.name].threshold) for e in encoders]
        photo, any_label = torch.zeros(1, 3, 1, 1), torch.zeros(1, dtype=torch.int64)
        asked = self._run(targets=[photo[0]] if targeted else None)
        labelled = label is not None and folder is not None
        given = [replace(s, sample=sample_of(s)[:1], labels=any_label if labelled else None) for s in surrogates]
        try:
            check(self.method, photo, given, replace(asked, labels=any_label if labelled else None))
            sample: OwnersSample | None = None
            if folder is not None:
                sample = read_sample(folder, encoders, self.device, progress=progress, complain=complain)
                self.sample_digest = sample.digest
                surrogates = [
                    replace(surrogate, sample=items, labels=sample.labels)
                    for surrogate, items in zip(surrogates, sample.items, strict=True)
                ]
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
        tell: Callable[[float], None] | None = None,
    ) -> tuple[Tensor, int]:
        """Changed pixels (3, H, W) on the 8-bit grid, and the steps that were taken.

        Args:
            photo: as read.
            saved_as: how it will be saved.
            targets: photos (3, h, w) to be taken for.
            tell: told the progress at each step, in [0, 1]; what it raises stops the change.

        Raises:
            PhotoError: the photo is too small.
            ValueError: its gradient is not finite.
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
        run = replace(self._run(targets), saving=saving, progress=tell)
        found = self.method(small.to(self.device), self._surrogates, run)
        if bool(found.broken[0]):
            raise ValueError(
                f"the gradient of {self.method.name} is not finite for it; choose another --method or --encoder"
            )
        changed = full + enlarge(found.photos.cpu() - small, (height, width))
        if photo.grey:
            changed = grey(changed)
        return ball.to_grid(ball.project(changed, full), full)[0], int(found.steps[0])
