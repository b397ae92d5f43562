"""recessive private-query."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from recessive.cli.output import FAILED, WRONG_USE, complain, complain_of_options, print_json, progress_bar, say

if TYPE_CHECKING:
    from recessive.workflows import PrivateQueryReport


def private_query(
    private: Path,
    /,
    *,
    carrier: Path,
    out: Path = Path("query.png"),
    method: str = "tma",
    encoder: Annotated[list[str] | None, Parameter(name="--encoder", consume_multiple=True, negative="")] = None,
    budget: float = 16,
    steps: int | None = None,
    gallery: Path | None = None,
    format: str | None = None,  # noqa: A002 - the option's name
    quality: int | None = None,
    seed: int = 0,
    device: str | None = None,
    precision: Literal["float32", "bfloat16"] = "float32",
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Search with a photo that is not the private one.

    The carrier, a photo that anybody may see, is changed by at most --budget, so that a search with it returns what a
    search with the private photo would. Upload the query in its place: the private photo never leaves this machine.
    What the query returns is checked on the saved file, against the first results of the private photo and of the
    carrier as it was.

      recessive private-query passport.jpg --carrier cat.jpg --encoder conv-gem --out query.png

    It works with encoders that it was optimised against. The fewer of them, the better: name the one that the service
    searches with. The service learns what it returns, and so what kind of photo you look for.

    Parameters
    ----------
    private
        The photo whose results are wanted; it is only read.
    carrier
        The photo that the query will look like. Its location (GPS) is removed.
    out
        The query. By its name JPEG, PNG, WebP, TIFF, AVIF or HEIC; PNG, which loses nothing, is best.
    method
        Any that `recessive methods` says needs a target, and no labels.
    encoder
        Bundled encoders that the service may search with; see `recessive encoders`. By default all of them that are
        optimised against by default and fit the method.
    budget
        Largest change of the carrier, in 1/255: more retrieves better and shows more. 16 shows on smooth skies.
    steps
        Steps of the search for the change; more take longer and retrieve better. By default the method's.
    gallery
        Folder of photos that the check searches. By default the bundled reference gallery.
    format
        Of the query: png, jpeg, webp, tiff, avif, heif. By default that of --out.
    quality
        1 to 100 for lossy formats.
    seed
        Of all that is random.
    device
        Where to compute: cpu or cuda. By default a GPU where there is one. The check runs on the CPU.
    precision
        bfloat16 takes about half the time on processors that compute with it; the check has float32 in any case.
    overwrite
        Replace --out.
    json
        One JSON object on stdout.
    """
    from pydantic import ValidationError

    from recessive.errors import SettingsError
    from recessive.photos import PhotoError
    from recessive.workflows import PrivateQuerySettings, make_private_query

    try:
        settings = PrivateQuerySettings(
            method=method,
            encoders=tuple(encoder) if encoder else None,
            budget=budget,
            steps=steps,
            gallery=gallery,
            format=format,
            quality=quality,
            seed=seed,
            device=device,
            precision=precision,
        )
        with progress_bar("reading photos") as reading:
            report = make_private_query(
                private, carrier, out, settings, overwrite=overwrite, progress=reading, on_error=complain
            )
    except ValidationError as error:
        complain_of_options(error)
        return WRONG_USE
    except SettingsError as error:
        complain(error)
        return WRONG_USE
    except PhotoError as error:
        complain(error)
        return FAILED
    if json:
        print_json(report)
    else:
        say(_text(report))
    return 0


def _text(report: PrivateQueryReport) -> str:
    """What a person reads."""
    near = "" if report.ssim is None else f"SSIM {report.ssim:.3f} to the carrier, "
    lines = [
        f"{report.output}: {report.verdict}",
        f"  {near}largest change {report.linf:g}/255, {report.seconds:.1f} s",
        *(f"  {note}" for note in report.notes),
        f"{'encoder':18}{'optimised against':>18}{'carrier finds':>15}{'query finds':>13}{'still the carrier':>19}"
        f"{'distance':>10}{'after':>7}",
    ]
    for entry in report.per_encoder:
        seen = "yes" if entry.seen else "no"
        lines.append(
            f"{entry.name:18}{seen:>18}{entry.shared_before:>15}{entry.shared:>13}{entry.carriers:>19}"
            f"{entry.distance_before:>10.3g}{entry.distance_after:>7.3g}"
        )
    lines.append(
        f"how many of the first {report.first} results of the private photo (by chance {report.by_chance:.2g}), and "
        f"of the carrier, among {report.gallery_photos} photos of the {report.gallery} gallery"
    )
    return "\n".join(lines)
