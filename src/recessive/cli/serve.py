"""recessive serve."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from recessive.cli.output import WRONG_USE, complain, complain_of_options, print_json, say
from recessive.cli.service_options import CALLED, Place, Work, answered, log_to_stderr, settings_of

_HERE, _USUAL = Place(), Work()


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    place: Annotated[Place, Parameter(name="*")] = _HERE,
    workers: int | None = None,
    queue: int = 1000,
    max_megabytes: int = 50,
    max_megapixels: int = 40,
    work: Annotated[Work, Parameter(name="*")] = _USUAL,
    name: Annotated[list[str] | None, Parameter(name="--name", consume_multiple=True, negative="")] = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Protect photos for other people and programs: a web page and an HTTP API.

    The page is at /, the API at /v1, its document at /docs. Stop it with Ctrl-C: nothing that was accepted is lost, and
    the next start goes on from there.

      recessive serve
      recessive serve --port 8000 --folder /srv/recessive --workers 2

    By default only this machine can reach it, and needs no key. As soon as there is a key, every request needs one;
    other machines are let in only then:

      recessive keys add camera
      recessive serve --host 0.0.0.0 --name photos.example.org

    Results go wherever the owner of a job wants them, if you allow it:

      recessive serve --deliver-to https://photos.example.org/inbox/ --deliver-to /srv/published

    With PostgreSQL the workers may run on other machines, which share the folder; see `recessive worker`:

      recessive serve --database-url postgresql://recessive@db/recessive --workers 0

    Parameters
    ----------
    host
        Address to listen on; 0.0.0.0 for all of this machine's. Passwords and photos are readable on the way unless a
        proxy with TLS stands in front.
    port
        Of it; 0 for any that is free.
    workers
        Processes that protect photos, started and kept alive; 0 if they run elsewhere. By default one for two cores.
    queue
        Photos that may wait; more are refused until there is room.
    max_megabytes
        Largest upload taken, in millions of bytes.
    max_megapixels
        Largest photo taken, in millions of pixels.
    name
        Host name under which browsers reach the service, if not by --host. Repeat it for several.
    json
        One JSON object on stdout as soon as it listens.
    """

    def run() -> int:
        from pydantic import ValidationError

        from recessive.errors import SettingsError
        from recessive.service import serve as service
        from recessive.service.store.storage import StorageError
        from recessive.service.work.targets import TargetError

        log_to_stderr()

        def listening(url: str) -> None:
            if json:
                print_json({"url": url, "folder": str(settings.folder.absolute()), "workers": settings.workers})
            else:
                say(url)

        others: dict[str, Any] = {} if workers is None else {"workers": workers}
        others |= {"host": host, "port": port, "queue": queue, "names": tuple(name or ())}
        others |= {"max_bytes": max_megabytes * 1_000_000, "max_pixels": max_megapixels * 1_000_000}
        try:
            settings = settings_of(place, work, **others)
            service.serve(settings, ready=listening)
        except ValidationError as error:
            complain_of_options(error, CALLED)
            return WRONG_USE
        except (service.ServeError, SettingsError, StorageError, TargetError) as error:
            complain(error)
            return WRONG_USE
        return 0

    return answered(run)
