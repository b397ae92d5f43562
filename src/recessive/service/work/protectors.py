"""Protectors by what was asked for, so that jobs with the same options need not load anything again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from pydantic import ValidationError

from recessive.errors import SettingsError
from recessive.searchers.searcher import Searcher
from recessive.searchers.searchers import everybody
from recessive.service.settings import JobOptions, ServiceSettings
from recessive.service.store.job import Job
from recessive.service.store.storage import Storage
from recessive.service.work.making import NotMade, plain
from recessive.workflows import Protector, ProtectSettings

KEPT = 4


class Protectors:
    """The protectors that were used last.

    Args:
        settings: of the service.
        storage: its folder.
    """

    def __init__(self, settings: ServiceSettings, storage: Storage) -> None:
        self._settings, self._storage = settings, storage
        self._searchers: dict[str, Searcher] | None = None  # of a gallery of the service's own
        self._kept: OrderedDict[ProtectSettings, Protector] = OrderedDict()

    def of(self, job: Job, go_on: Callable[[float], None]) -> Protector:
        """The protector of a job's options.

        Args:
            job: what is asked for.
            go_on: called while a gallery is read; what it raises ends that.

        Raises:
            NotMade: the options do not fit together, or not this service.
        """
        try:
            wanted = JobOptions(**job.options).protect_settings(self._settings.gallery)
            protector = self._kept.pop(wanted, None) or self._load(wanted, go_on)
        except ValidationError as error:
            problem = error.errors()[0]
            raise NotMade(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from error
        except SettingsError as error:
            text = str(error)
            if self._settings.gallery is not None:
                text = text.replace(str(self._settings.gallery), "the service's gallery")
            raise NotMade(plain(text, job, self._storage)) from error
        self._kept[wanted] = protector
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return protector

    def _load(self, wanted: ProtectSettings, go_on: Callable[[float], None]) -> Protector:
        """A protector; the service's gallery is read for the first one, whatever that asks for."""
        if wanted.gallery is not None and self._searchers is None:
            self._searchers = everybody(wanted.gallery, progress=lambda *_: go_on(0.0))
        return Protector(wanted, known=self._searchers)
