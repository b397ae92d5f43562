"""Options for changing photos: for protection, for private queries, and for jobs of the service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from annotated_types import Ge, Le, Len, Lt

from recessive.options.fields import LOCAL, Bound, Checked, Options, Spelled, offered


def _transform(text: str) -> str:
    from recessive.transforms import parse_transform

    return parse_transform(text).name


def _transforms() -> dict[str, Any]:
    from recessive.transforms import pattern

    return {"pattern": pattern(), "examples": ["jpeg:75"]}


def _format(name: str) -> str:
    from recessive.photos import format_named

    return format_named(name).lower()


def _formats() -> dict[str, Any]:
    from recessive.photos.formats import Format

    return {"enum": [name.lower() for name in get_args(Format)]}


def _constant(text: str) -> str:
    name, _, value = (part.strip() for part in text.partition("="))
    if not (name and value):
        raise ValueError(f"{text!r} is not of the form NAME=VALUE, such as clusters=200")
    return f"{name}={value}"


def usable_methods() -> tuple[str, ...]:
    """Return the names of the methods that need nothing but the photo and what the package contains."""
    from recessive.protection.methods import METHODS

    return tuple(name for name, method in METHODS.items() if not {"labels", "target"} & method.needs)


def _usable(name: str) -> str:
    usable = usable_methods()
    if name not in usable:
        raise ValueError(f"no method that the service can run is called {name!r}; there are {', '.join(usable)}")
    return name


def _bundled(name: str) -> str:
    from recessive.encoders import bundled_encoders

    # Any other name could be the path of a file on this machine, or a network to download.
    if name not in bundled_encoders():
        raise ValueError(f"the service has no encoder named {name!r}; choose from {', '.join(bundled_encoders())}")
    return name


def _all_bundled() -> dict[str, Any]:
    from recessive.encoders import bundled_encoders

    return {"enum": list(bundled_encoders())}


Budget = Annotated[float | None, Checked(Ge(0), Le(255))]
TransformNames = Annotated[tuple[str, ...], Checked(Spelled(_transform, _transforms))]


@dataclass(frozen=True)
class MethodOptions(Options):
    """How a method changes photos, and how they are saved and checked.

    Attributes:
        method: How to change the photos; `recessive methods` lists the choices.
        encoder: Encoders to work against; `recessive encoders` lists them. By default, all that fit the method, except
            for those that are kept for the check.
        budget: Largest change of a pixel value, on the scale of 0 to 255: 8 is hard to see, 16 shows on smooth skies, 0
            changes nothing. By default, the method's own.
        norm: Whether the budget limits every pixel value (linf) or the root mean square of the change (l2).
        steps: Largest number of optimisation steps. More steps take longer and work better. By default, the method's
            own.
        survive: What a website may do to the photo without undoing the effect, such as jpeg:75, resize:0.5 or crop:0.9;
            an unknown one lists all that there are. Each of them slows the optimisation down.
        grid: The change is computed for a photo of at most this many pixels on the long side, and enlarged smoothly for
            larger ones. Methods that need no gradients work at full size.
        seed: Seed of all random numbers.
        sample: Folder of photos of your own that the method may learn from; the more they resemble the photos that are
            searched, the better. Subfolders name the classes of their photos. By default, a sample that comes with the
            program.
        device: Where to compute, such as cpu or cuda. By default, a GPU if there is one. The check runs on the CPU.
        precision: Number format of the optimisation. With bfloat16 it takes about half the time on processors that
            support it; the check always uses float32.
        format: Format of the saved file: jpeg, png, webp, tiff, avif or heif. By default, that of the photo.
        quality: Quality of lossy formats, 1 to 100. By default, at least 90, so that the file keeps the change.
        gallery: Folder of photos that the check searches, such as those that you have posted. By default, the reference
            gallery that comes with the program.
        set: Constant of the method, as NAME=VALUE; `recessive methods METHOD` lists them. Repeat it for several.
    """

    method: str = "vanish"
    encoder: tuple[str, ...] = ()
    budget: Budget = None
    norm: Literal["linf", "l2"] = "linf"
    steps: Annotated[int | None, Checked(Ge(1), Le(100_000))] = None
    survive: TransformNames = ()
    grid: Annotated[int, Checked(Ge(32), Le(16_384))] = 1024
    seed: Annotated[int, Checked(Ge(0), Lt(2**63))] = 0
    sample: Annotated[Path | None, LOCAL] = None
    device: Annotated[str | None, LOCAL] = None
    precision: Annotated[Literal["float32", "bfloat16"], LOCAL] = "float32"
    format: Annotated[str | None, Checked(Spelled(_format, _formats))] = None
    quality: Annotated[int | None, Checked(Ge(1), Le(100))] = None
    gallery: Annotated[Path | None, LOCAL] = None
    set: Annotated[tuple[str, ...], Checked(Spelled(_constant, lambda: {"pattern": "^[a-z_.]+=[^ ]+$"}))] = ()

    @property
    def constants(self) -> dict[str, str]:
        """The constants of `set`, as text by their names."""
        return dict(text.split("=", 1) for text in self.set)


@dataclass(frozen=True)
class ProtectOptions(MethodOptions):
    """How photos are protected.

    Attributes:
        check: What a website may do to the photo before the check searches for it once more, as for --survive, but
            without any effect on the optimisation.
        label: What the photos show, for methods that need it: the name of a subfolder of --sample.
        target: What the photos are to be taken for, for methods that need it: a photo, several photos of one kind, or a
            folder of them.
        keep_location: Keep the GPS position in the file.
    """

    check: TransformNames = ()
    label: Annotated[str | None, LOCAL] = None
    target: Annotated[tuple[Path, ...], LOCAL] = ()
    keep_location: bool = False


@dataclass(frozen=True)
class PrivateQueryOptions(MethodOptions):
    """How a carrier becomes a private query.

    The budget is twice that of `protect`: at 8, carriers of 224 pixels shared 3 of the first 10 results of each of
    three private photos (`tma`, 100 steps, `conv-gem` alone, reference gallery); at 16 they shared 5, 8 and 8.

    Attributes:
        method: How to change the carrier; `recessive methods` lists the choices under "target". Methods that need
            labels cannot be used.
        encoder: Encoders that the service may search with; `recessive encoders` lists them. By default, all that fit
            the method, except for those that are kept for the check.
        format: Format of the query: jpeg, png, webp, tiff, avif or heif. By default, that of the name in --out.
    """

    method: str = "tma"
    budget: Budget = 16.0


@dataclass(frozen=True)
class AuditOptions(Options):
    """Who searches for a protected photo, and where.

    Attributes:
        encoder: Who searches: encoders and other searches that `recessive encoders` lists. By default, all of them.
        gallery: Folder of photos to search. By default, the reference gallery that comes with the program.
        survive: Search once more after what a website may do to the photo, such as jpeg:75 or resize:0.5.
    """

    encoder: tuple[str, ...] = ()
    gallery: Path | None = None
    survive: TransformNames = ()


@dataclass(frozen=True)
class JobOptions(ProtectOptions):
    """What the service offers for one photo: the options of `recessive protect` that name nothing of its machine.

    Attributes:
        deliver_to: URL or folder that receives the photo once it passes the check. The service allows only some.
        passes: Who must not find the photo for it to pass: the encoders that it was optimised against (seen), or all
            that searched (all).
    """

    local: ClassVar[bool] = False
    bounds: ClassVar[Mapping[str, tuple[Bound | Spelled, ...]]] = {
        "method": (Spelled(_usable, lambda: {"enum": list(usable_methods())}),),
        "encoder": (Len(0, 16), Spelled(_bundled, _all_bundled)),
        "steps": (Le(1000),),
        "survive": (Len(0, 8),),
        "check": (Len(0, 8),),
        "grid": (Le(2048),),
        "set": (Len(0, 32),),
    }

    deliver_to: Annotated[str | None, Checked(Len(0, 2_000))] = None
    passes: Literal["seen", "all"] = "seen"

    def protect_options(self, gallery: Path | None = None) -> ProtectOptions:
        """Return the same options for a `Protector` that searches a gallery."""
        names = offered(ProtectOptions).keys() & offered(JobOptions).keys()
        return ProtectOptions(**{name: getattr(self, name) for name in names}, gallery=gallery)
