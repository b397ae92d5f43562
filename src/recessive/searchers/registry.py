"""The one registry of searchers: by name, with what each can do.

To add a searcher, write its family in a file of this package and add it to `FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from recessive.encoders import Vocabulary
from recessive.searchers.bundled import BUNDLED
from recessive.searchers.checkpoints import CHECKPOINTS
from recessive.searchers.describer import EncoderSettings, SearchEncoder, checked_scales
from recessive.searchers.entry import Entry, Family, SearcherError
from recessive.searchers.features import FEATURES
from recessive.searchers.library import LIBRARY
from recessive.searchers.retrieval import RETRIEVAL

FAMILIES: tuple[Family, ...] = (BUNDLED, FEATURES, RETRIEVAL, LIBRARY, CHECKPOINTS)


def entries() -> dict[str, Entry]:
    """All searchers that have a name of their own, by name."""
    return {name: entry for family in FAMILIES for name, entry in family.listed().items()}


def find(name: str) -> Entry:
    """The entry of a searcher: by its own name, by a name such as gem:resnet-50, or by the path of a checkpoint.

    Raises:
        SearcherError: if there is no such searcher; the message lists the names.
        EncoderError: if a checkpoint is damaged.
    """
    listed = entries()
    if name in listed:
        return listed[name]
    for family in FAMILIES:
        entry = family.find(name)
        if entry is not None:
            return entry
    close = get_close_matches(name, listed, 1)
    hint = f". Did you mean {close[0]}?" if close else ""
    raise SearcherError(f"no encoder or file is called {name!r}; there are {usage()}{hint}")


def find_differentiable(names: Iterable[str]) -> list[Entry]:
    """The entries of searchers that a method can optimise against.

    Raises:
        SearcherError: if a searcher is unknown, or passes no gradient.
    """
    found = [find(name) for name in names]
    for entry in found:
        if not entry.gradients:
            others = ", ".join(name for name, other in entries().items() if other.gradients and other.seen is not None)
            raise SearcherError(
                f"{entry.name} passes no gradient to optimise against. Every audit asks it anyway, and `recessive "
                f"methods` lists the methods that work against it in their own way. Encoders: {others}"
            )
    return found


def usage() -> str:
    """All that `--encoder` takes, for a message."""
    patterns = [f"{family.usage} ({family.summary})" for family in FAMILIES if family.usage]
    return "; ".join([", ".join(entries()), *patterns])


def encoder_settings(
    encoder: str, *, words: int | None = None, vocabulary: Path | None = None, scales: Sequence[float] | None = None
) -> EncoderSettings:
    """The settings of a searcher, checked before anything is loaded.

    Args:
        encoder: its name; paths may be relative.
        words: the size of a vocabulary to train, see `EncoderSettings`.
        vocabulary: the file of a vocabulary.
        scales: the scales of a network at the photo's own size.

    Raises:
        SearcherError: if the searcher is unknown, or does not take these options.
    """
    entry = find(encoder)
    if "words" not in entry.options and (words is not None or vocabulary is not None):
        those = [name for name, other in entries().items() if "words" in other.options]
        raise SearcherError(f"--words and --vocabulary are for {', '.join(those)}, not for {encoder}")
    if words is not None and vocabulary is not None:
        raise SearcherError("a vocabulary is trained (--words) or read (--vocabulary), not both")
    if words is not None and words < 1:
        raise SearcherError(f"--words {words}: a vocabulary has at least one word")
    sides = None if scales is None else checked_scales(scales)
    if scales is not None and "scales" not in entry.options:
        raise SearcherError(f"--scales is for {RETRIEVAL.usage}, not for {encoder}")
    if scales is not None and sides is None:
        raise SearcherError("--scales are sides of a photo times its own, such as 1 0.5: each above 0, at most 4")
    return EncoderSettings(entry.name, words, None if vocabulary is None else str(vocabulary.absolute()), sides)


def default_surrogates(accepts: frozenset[str]) -> tuple[str, ...]:
    """The searchers that a method optimises against when none are named: all seen ones that it can use."""
    return tuple(name for name, entry in entries().items() if entry.seen and entry.outputs in accepts)


def unseen(surrogates: Sequence[str]) -> tuple[str, ...]:
    """The encoders that bear witness: the reserved ones, or all others when those are optimised against.

    None of them shares its network with a surrogate: two heads of one network see the same.
    """
    used = {find(name).network for name in surrogates}
    others = [e for e in entries().values() if e.seen is not None and e.network not in used]
    return tuple(e.name for e in others if not e.seen) or tuple(e.name for e in others)


def load_describer(settings: EncoderSettings, vocabulary: Vocabulary | None = None) -> SearchEncoder:
    """Load the describer that settings name.

    Args:
        settings: checked by `encoder_settings`, or read from the card of an index.
        vocabulary: replaces the visual vocabulary that the settings name.

    Raises:
        SearcherError: if the searcher is unknown.
        EncoderError: if its weights or vocabulary are missing or damaged.
    """
    return find(settings.encoder).load(settings, vocabulary)
