"""What can be asked of `protect`: one schema for the command line, and for whoever calls it otherwise."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from recessive.transforms import parse_transform


class SettingsError(ValueError):
    """The settings do not fit together; the message says what to change."""


class ProtectSettings(BaseModel):
    """How photos are protected. What is None is chosen by the method or the photo.

    Attributes:
        method: a key of `METHODS`.
        encoders: names of the surrogates, bundled ones; None for all that are seen and fit the method.
        budget: radius of the ball in 1/255; the method's own when None.
        norm: "linf" bounds each value, "l2" the root-mean-square.
        steps: at most so many; the method's own when None.
        survive: transforms that the photo should stay hidden after, such as jpeg:75.
        grid: longest side, in pixels, of the grid that the change lives on; larger photos get it enlarged smoothly.
        seed: of all that is random.
        format: of the saved file; that of the input when None.
        quality: 1 to 100 for lossy formats; see `recessive.photos.output_settings`.
        keep_location: leave the GPS position in the file.
        gallery: folder of photos that the audit searches; the bundled reference gallery when None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str = "vanish"
    encoders: tuple[str, ...] | None = Field(default=None, min_length=1)
    budget: float | None = Field(default=None, gt=0, le=255, allow_inf_nan=False)
    norm: Literal["linf", "l2"] = "linf"
    steps: int | None = Field(default=None, ge=1, le=100_000)
    survive: tuple[str, ...] = ()
    grid: int = Field(default=1024, ge=32, le=16_384)
    seed: int = Field(default=0, ge=0, lt=2**63)
    format: str | None = None
    quality: int | None = Field(default=None, ge=1, le=100)
    keep_location: bool = False
    gallery: Path | None = None

    @field_validator("survive")
    @classmethod
    def _known(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(parse_transform(text).name for text in texts)
