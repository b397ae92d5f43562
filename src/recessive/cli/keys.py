"""recessive keys."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from recessive.cli.output import FAILED, WRONG_USE, complain, print_json, say
from recessive.cli.service_options import Place, answered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recessive.service.store.keys import Key, Keys

_HERE = Place()

keys = App(
    name="keys",
    help="""Make, list and revoke the keys of a service.

As soon as there is a key, every request needs one, and sees only the photos that came with the same key:

  recessive keys add camera --per-day 500
  curl -H "Authorization: Bearer rsv_..." http://127.0.0.1:8000/v1/jobs

Name the same --folder or --database-url as for `recessive serve`. --json prints JSON objects.""",
    help_format="plaintext",
)


@keys.command
def add(
    name: Annotated[str, Parameter(name="NAME")],
    /,
    *,
    per_day: int | None = None,
    waiting: int | None = None,
    place: Annotated[Place, Parameter(name="*")] = _HERE,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Make a key and print its token, once: only a digest of it is kept.

      recessive keys add camera --per-day 500 --waiting 50

    Parameters
    ----------
    name
        Whose key it is, for you to know it by.
    per_day
        Photos that may be sent in within 24 hours. By default any number.
    waiting
        Photos that may wait or be worked on at once. By default any number.
    json
        One JSON object on stdout.
    """

    def run() -> int:
        with _opened(place) as all_keys:
            try:
                key, token = all_keys.add(name, per_day=per_day, waiting=waiting)
            except ValueError as error:
                complain(error)
                return WRONG_USE
        if json:
            print_json({**_told(key), "token": token})
        else:
            say(token)
            complain(f"that is the token of {key.name}; it cannot be shown again")
        return 0

    return answered(run)


@keys.command(name="list")
def list_keys(
    *,
    place: Annotated[Place, Parameter(name="*")] = _HERE,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """List the keys, the revoked ones too, without their tokens.

    Parameters
    ----------
    json
        One JSON object a key on stdout.
    """

    def run() -> int:
        with _opened(place) as all_keys:
            listed = [_told(key) for key in all_keys.all()]
        if json:
            for key in listed:
                print_json(key)
            return 0
        width = max([4, *(len(str(key["name"])) for key in listed)])
        say(f"{'name':{width}}  {'made':20}  {'per day':>7}  {'waiting':>7}  revoked")
        for key in listed:
            quotas = ("any" if key[quota] is None else key[quota] for quota in ("per_day", "waiting"))
            cells = "  ".join(f"{quota:>7}" for quota in quotas)
            say(f"{key['name']:{width}}  {key['created']:20}  {cells}  {key['revoked'] or '-'}")
        return 0

    return answered(run)


@keys.command
def revoke(
    name: Annotated[str, Parameter(name="NAME")],
    /,
    *,
    place: Annotated[Place, Parameter(name="*")] = _HERE,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """End the use of a key, at once. What its photos have become stays until its time is over.

    Parameters
    ----------
    name
        As `recessive keys list` tells it.
    json
        One JSON object on stdout.
    """

    def run() -> int:
        with _opened(place) as all_keys:
            key = all_keys.revoke(name)
        if key is None:
            complain(f"no key in use is called {name}; see recessive keys list")
            return FAILED
        if json:
            print_json(_told(key))
        else:
            say(f"{key.name} is revoked")
        return 0

    return answered(run)


@contextmanager
def _opened(place: Place) -> Iterator[Keys]:
    from recessive.service.store.database import Database
    from recessive.service.store.keys import Keys

    with Database(place.url) as database:
        database.migrate()
        yield Keys(database)


def _told(key: Key) -> dict[str, str | int | None]:
    """What people and programs are told; times to the second, in UTC."""
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
