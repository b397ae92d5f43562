"""What can be asked for: one schema a command, for the command line and for whoever calls it otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from recessive.encoders import Precision
from recessive.transforms import parse_transform


def known_transforms(texts: Sequence[str]) -> tuple[str, ...]:
    """Transforms as people type them, under their full names.

    Raises:
        ValueError: one that there is not; the message lists those that there are.
    """
    return tuple(parse_transform(text).name for text in texts)


class MethodSettings(BaseModel):
    """How photos are changed, saved and judged. What is None is chosen by the method or the photo.

    Attributes:
        method: a key of `METHODS`.
        encoders: names of the surrogates, bundled ones; None for all that are seen and fit the method.
        budget: radius of the ball in 1/255; the method's own when None; 0 changes nothing.
        norm: "linf" bounds each value, "l2" the root-mean-square.
        steps: at most so many; the method's own when None.
        survive: transforms that the change should outlive, such as jpeg:75.
        grid: longest side, in pixels, of the grid that the change lives on; larger photos get it enlarged smoothly.
            Methods without gradients work at the photo's own size.
        seed: of all that is random.
        sample: folder of the owner's photos that a method may learn from; the bundled owner's sample when None.
        device: where the method runs, such as cpu or cuda; a GPU where there is one when None.
        precision: of the surrogates while the method runs; the audit always has float32.
        format: of the saved file.
        quality: 1 to 100 for lossy formats; see `recessive.photos.output_settings`.
        gallery: folder of photos that is searched afterwards; the bundled reference gallery when None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    encoders: tuple[str, ...] | None = Field(default=None, min_length=1)
    budget: float | None = Field(default=None, ge=0, le=255, allow_inf_nan=False)
    norm: Literal["linf", "l2"] = "linf"
    steps: int | None = Field(default=None, ge=1, le=100_000)
    survive: tuple[str, ...] = ()
    grid: int = Field(default=1024, ge=32, le=16_384)
    seed: int = Field(default=0, ge=0, lt=2**63)
    sample: Path | None = None
    device: str | None = None
    precision: Precision = "float32"
    format: str | None = None
    quality: int | None = Field(default=None, ge=1, le=100)
    gallery: Path | None = None

    @field_validator("survive")
    @classmethod
    def _known(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        return known_transforms(texts)


class ProtectSettings(MethodSettings):
    """How photos are protected; the format of the saved file is that of the input when None.

    Attributes:
        check: transforms that the verdict is asked again after, as after those of `survive`, but that the change is not
            made for.
        label: class of the photos, the name of a folder in `sample`, for methods that need it.
        target: photos, or a folder of them, that the photos shall be taken for, for methods that need it.
        keep_location: leave the GPS position in the file.
    """

    method: str = "vanish"
    check: tuple[str, ...] = ()
    label: str | None = None
    target: tuple[Path, ...] = ()
    keep_location: bool = False

    @field_validator("check")
    @classmethod
    def _checked(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        return known_transforms(texts)


class PrivateQuerySettings(MethodSettings):
    """How a carrier becomes a private query; the format is that of the output's name when None, else PNG.

    The budget is twice that of `protect`: at 8, carriers of 224 pixels shared 3 of the first 10 results of each of
    three private photos (`tma`, 100 steps, `conv-gem` alone, reference gallery); at 16 they shared 5, 8 and 8.
    """

    method: str = "tma"
    budget: float | None = Field(default=16.0, ge=0, le=255, allow_inf_nan=False)
