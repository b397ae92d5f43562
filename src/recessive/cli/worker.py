"""recessive worker."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from recessive.cli.output import WRONG_USE, complain, complain_of_options, print_json
from recessive.cli.service_options import CALLED, Place, Work, answered, log_to_stderr, settings_of

_HERE, _USUAL = Place(), Work()


def worker(
    *,
    place: Annotated[Place, Parameter(name="*")] = _HERE,
    work: Annotated[Work, Parameter(name="*")] = _USUAL,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Protect the photos that a service has accepted, one at a time, until SIGTERM or Ctrl-C.

    `recessive serve` starts workers of its own. More of them, on this machine or others, need the same database, the
    same folder (mounted under any path) and the same options:

      recessive serve --database-url postgresql://recessive@db/recessive --folder /srv/recessive
      recessive worker --database-url postgresql://recessive@db/recessive --folder /srv/recessive

    A worker that is told to stop puts its photo back; one that is killed loses none: another takes its photo half a
    minute later. OMP_NUM_THREADS says how many cores it uses, by default all.

    Parameters
    ----------
    json
        One JSON object on stdout when it begins.
    """

    def run() -> int:
        from pydantic import ValidationError

        from recessive.errors import SettingsError
        from recessive.service.store.storage import StorageError
        from recessive.service.work.targets import TargetError, check_allow_list
        from recessive.service.work.worker import run_worker

        log_to_stderr()
        try:
            settings = settings_of(place, work)
            check_allow_list(settings.deliver_to)
            if json:
                database = settings.url.partition(":")[0]  # the rest may hold a password
                print_json({"folder": str(settings.folder.absolute()), "database": database})
            run_worker(settings)
        except ValidationError as error:
            complain_of_options(error, CALLED)
            return WRONG_USE
        except (SettingsError, StorageError, TargetError) as error:
            complain(error)
            return WRONG_USE
        return 0

    return answered(run)
