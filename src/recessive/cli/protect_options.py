"""What `recessive protect` and `recessive watch` take alike: how photos are protected and saved."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from recessive.cli.output import complain, complain_of_options, progress_bar

if TYPE_CHECKING:
    from recessive.workflows import Protector, ProtectSettings

Several = Parameter(consume_multiple=True, negative="")


@Parameter(name="*")
@dataclass(frozen=True)
class ProtectOptions:
    """The options of one protection.

    Parameters
    ----------
    method
        How to protect; see `recessive methods`.
    encoder
        Bundled encoders to protect against; see `recessive encoders`. By default all of them that are optimised
        against by default and fit the method.
    budget
        Largest change, in 1/255: 8 is hard to see, 16 shows on smooth skies, 0 changes nothing. By default the
        method's.
    norm
        Whether the budget bounds each value (linf) or the root-mean-square change (l2).
    steps
        Steps of the search; more take longer and protect better. By default the method's.
    survive
        What a platform may do to the photo that it should stay hidden after: jpeg:75 resize:0.5 crop:0.9
        bit-depth:5 blur:1 noise:4. Each makes the search slower. Name photos or folders before this option.
    check
        What a platform may do to the photo that the verdict is asked again after, without making the search slower.
        Name photos or folders before this option.
    grid
        The change lives on a grid of so many pixels on the long side; larger photos get it enlarged smoothly. Methods
        that need no gradients work at the photo's own size.
    seed
        Of all that is random.
    format
        Of the saved file: jpeg, png, webp, tiff, avif, heif. By default that of the photo.
    quality
        1 to 100 for lossy formats. By default at least 90, so that the file keeps the change.
    keep_location
        Leave the GPS position in the file.
    gallery
        Folder of photos that the check searches, for instance what you have posted already. By default the bundled
        reference gallery.
    sample
        Folder of photos of yours that the method may learn from: the more like those that are searched, the better.
        With one folder a class they are labelled by its name. By default the bundled owner's sample, without classes.
    label
        What the photos show, for methods that need it: the name of a folder in --sample.
    target
        What the photos shall be taken for, for methods that need it: a photo, several of one kind, or a folder of them.
        Name photos or folders to protect before this option.
    device
        Where to compute: cpu or cuda. By default a GPU where there is one. The check runs on the CPU.
    precision
        bfloat16 takes about half the time on processors that compute with it; the check has float32 in any case.
    """

    method: str = "vanish"
    encoder: Annotated[list[str] | None, Several] = None
    budget: float | None = None
    norm: Literal["linf", "l2"] = "linf"
    steps: int | None = None
    survive: Annotated[list[str] | None, Several] = None
    check: Annotated[list[str] | None, Several] = None
    grid: int = 1024
    seed: int = 0
    format: str | None = None
    quality: int | None = None
    keep_location: Annotated[bool, Parameter(negative="")] = False
    gallery: Path | None = None
    sample: Path | None = None
    label: str | None = None
    target: Annotated[list[Path] | None, Several] = None
    device: str | None = None
    precision: Literal["float32", "bfloat16"] = "float32"

    def protector(self) -> Protector | None:
        """For photos; None when a value makes no sense, or a folder has no photos: that has been said."""
        from pydantic import ValidationError

        from recessive.encoders import EncoderError
        from recessive.errors import SettingsError
        from recessive.workflows import Protector

        try:
            with progress_bar("reading photos") as reading:
                return Protector(self._settings(), progress=reading, on_error=complain)
        except ValidationError as error:
            complain_of_options(error)
        except (SettingsError, EncoderError) as error:
            complain(error)
        return None

    def _settings(self) -> ProtectSettings:
        from recessive.workflows import ProtectSettings

        given = {field.name: getattr(self, field.name) for field in fields(self)}
        given |= {name: tuple(given[name] or ()) for name in ("survive", "check", "target")}
        encoders = tuple(given.pop("encoder") or ()) or None
        return ProtectSettings(**given, encoders=encoders)


DEFAULTS = ProtectOptions()
