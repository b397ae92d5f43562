"""recessive serve, recessive worker, and recessive keys."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from recessive.cli.output import FAILED, print_error, print_json, print_text, reflow
from recessive.options import PlaceOptions, ServiceOptions, WorkOptions, check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recessive.service.store.keys import Key, Keys

_PLACE, _WORK, _SERVICE = PlaceOptions(), WorkOptions(), ServiceOptions()


def serve(*, options: Annotated[ServiceOptions, Parameter(name="*")] = _SERVICE, json: bool = False) -> int:
    """Protect photos for other people and programs, by a web page and an HTTP API.

    The page is at /, the API at /v1 and its documentation at /docs. Ctrl-C stops the service: no photo that it has
    accepted is lost, and it continues when it is started again.

      recessive serve
      recessive serve --port 8000 --folder /srv/recessive --workers 2

    By default, only this machine can reach the service, and it needs no key. To let other machines in, make a key
    first. Once there is a key, every request needs one:

      recessive keys add camera
      recessive serve --host 0.0.0.0 --name photos.example.org

    Whoever sends a photo may have the result delivered to the places that you allow:

      recessive serve --deliver-to https://photos.example.org/inbox/ --deliver-to /srv/published

    With PostgreSQL, workers may run on other machines that share the folder; see `recessive worker`:

      recessive serve --database-url postgresql://recessive@db/recessive --workers 0

    Args:
        json: Print one JSON object on stdout as soon as the service listens.
    """
    with _service_errors():
        from recessive.service import serve as service

        _log_to_stderr()
        checked = check(options)

        def listening(url: str) -> None:
            if json:
                print_json({"url": url, "folder": str(checked.folder.absolute()), "workers": checked.workers})
            else:
                print_text(url)

        service.serve(checked, ready=listening)
    return 0


def worker(*, options: Annotated[WorkOptions, Parameter(name="*")] = _WORK, json: bool = False) -> int:
    """Protect the photos that a service has accepted, one at a time, until Ctrl-C or SIGTERM.

    `recessive serve` starts workers of its own. Further workers, on this or other machines, need the same database, the
    same folder (mounted under any path) and the same options:

      recessive serve --database-url postgresql://recessive@db/recessive --folder /srv/recessive
      recessive worker --database-url postgresql://recessive@db/recessive --folder /srv/recessive

    A worker that is stopped returns its photo to the queue. If it is killed, another worker takes the photo over half a
    minute later. The environment variable OMP_NUM_THREADS sets the number of cores that a worker uses, by default all.

    Args:
        json: Print one JSON object on stdout when the work begins.
    """
    with _service_errors():
        from recessive.service.work.targets import check_allow_list
        from recessive.service.work.worker import run_worker

        _log_to_stderr()
        checked = check(ServiceOptions(**asdict(options)))
        check_allow_list(checked.deliver_to)
        if json:
            database = checked.url.partition(":")[0]  # the rest may hold a password
            print_json({"folder": str(checked.folder.absolute()), "database": database})
        run_worker(checked)
    return 0


keys = App(
    name="keys",
    help=reflow("""Make, list and revoke the keys of a service.

Once there is a key, every request needs one, and sees only the photos that were sent with it:

  recessive keys add camera --per-day 500
  curl -H "Authorization: Bearer rsv_..." http://127.0.0.1:8000/v1/jobs

Give the same --folder or --database-url as to `recessive serve`. With --json, all of them print JSON objects."""),
    help_format="plaintext",
)


def add(
    name: Annotated[str, Parameter(name="NAME")],
    /,
    *,
    per_day: int | None = None,
    waiting: int | None = None,
    options: Annotated[PlaceOptions, Parameter(name="*")] = _PLACE,
    json: bool = False,
) -> int:
    """Make a key and print its token. This is the only time that it is shown, since only a digest is stored.

      recessive keys add camera --per-day 500 --waiting 50

    Args:
        name: Name of the key, for you to recognise it.
        per_day: Largest number of photos that may be sent within 24 hours. By default, any number.
        waiting: Largest number of photos that may wait or be worked on at the same time. By default, any number.
        json: Print one JSON object on stdout.
    """
    with _opened(options) as all_keys:
        key, token = all_keys.add(name, per_day=per_day, waiting=waiting)
    if json:
        print_json({**_described(key), "token": token})
    else:
        print_text(token)
        print_error(f"this is the token of {key.name}; it cannot be shown again")
    return 0


def list_keys(*, options: Annotated[PlaceOptions, Parameter(name="*")] = _PLACE, json: bool = False) -> int:
    """List all keys, including revoked ones, without their tokens.

    Args:
        json: Print one JSON object per key on stdout.
    """
    with _opened(options) as all_keys:
        listed = [_described(key) for key in all_keys.all()]
    if json:
        for key in listed:
            print_json(key)
        return 0
    width = max([4, *(len(str(key["name"])) for key in listed)])
    print_text(f"{'name':{width}}  {'made':20}  {'per day':>7}  {'waiting':>7}  revoked")
    for key in listed:
        quotas = ("any" if key[quota] is None else key[quota] for quota in ("per_day", "waiting"))
        cells = "  ".join(f"{quota:>7}" for quota in quotas)
        print_text(f"{key['name']:{width}}  {key['created']:20}  {cells}  {key['revoked'] or '-'}")
    return 0


def revoke(
    name: Annotated[str, Parameter(name="NAME")],
    /,
    *,
    options: Annotated[PlaceOptions, Parameter(name="*")] = _PLACE,
    json: bool = False,
) -> int:
    """Revoke a key at once. Results of its photos are kept until they expire.

    Args:
        name: Name of the key, as `recessive keys list` shows it.
        json: Print one JSON object on stdout.
    """
    with _opened(options) as all_keys:
        key = all_keys.revoke(name)
    if key is None:
        print_error(f"no key in use is called {name}; see recessive keys list")
        return FAILED
    if json:
        print_json(_described(key))
    else:
        print_text(f"{key.name} is revoked")
    return 0


for _command, _name in ((add, "add"), (list_keys, "list"), (revoke, "revoke")):
    keys.command(_command, name=_name, help=reflow(_command.__doc__))


@contextmanager
def _opened(options: PlaceOptions) -> Iterator[Keys]:
    with _service_errors():
        from recessive.service.store.database import Database
        from recessive.service.store.keys import Keys

        with Database(options.url) as database:
            database.migrate()
            yield Keys(database)


def _described(key: Key) -> dict[str, str | int | None]:
    """Return what people and programs may know of a key; times to the second, in UTC."""
    created, revoked = (
        None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for at in (key.created, key.revoked)
    )
    return {
        "name": key.name,
        "created": created,
        "per_day": key.per_day,
        "waiting": key.waiting,
        "revoked": revoked,
    }


def _log_to_stderr() -> None:
    """Show what servers and workers log: job ids, states, seconds, and what went wrong."""
    logging.basicConfig(format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("recessive").setLevel(logging.INFO)


@contextmanager
def _service_errors() -> Iterator[None]:
    """Turn whatever keeps the service from its work into a wrong use of the command."""
    from recessive.errors import RecessiveError, SettingsError

    try:
        yield
    except SettingsError:
        raise
    except RecessiveError as error:
        raise SettingsError(str(error)) from error
    except ModuleNotFoundError as error:
        if (error.name or "recessive").partition(".")[0] == "recessive":
            raise
        raise SettingsError(f'{error.name} is not installed: pip install "recessive[serve]"') from error
