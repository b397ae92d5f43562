"""A PostgreSQL of one's own, for tests and benchmarks."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import psycopg
from psycopg import sql

USER, PASSWORD = "recessive", "se:cret"
_QUOTED = "se%3Acret"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",  # that a machine loses its power is not tested
    "shared_buffers": "32MB",
}


def programs():
    """The folder of PostgreSQL's programs, of the newest version; None where it is not installed."""
    found = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    if found:
        return max(found, key=lambda path: float(path.parent.name))
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


class Postgres:
    """A server in a folder, on a free port of the loopback; `stop` it, or use ``with``.

    Args:
        folder: an empty one, or where an earlier one was stopped; a temporary one, removed at the end, when None. The
            server's user must be able to reach it.
        settings: of the server, besides those that make tests quick; ``fsync="on"`` for honest figures.
    """

    def __init__(self, folder=None, **settings):
        self._programs = programs()
        if self._programs is None:
            raise FileNotFoundError("PostgreSQL is not installed: apt-get install postgresql")
        self._settings = {**_SETTINGS, **settings}
        self._temporary = folder is None
        self.folder = Path(tempfile.mkdtemp(prefix="pg-") if folder is None else folder)
        # PostgreSQL refuses to run as root
        self._user = None
        if os.geteuid() == 0:
            users = {entry.pw_name: entry for entry in pwd.getpwall()}
            self._user = users.get("postgres") or users["nobody"]
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._data = self.folder / "data"
        self.port = _free_port()
        if not (self._data / "PG_VERSION").exists():
            self._make()
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        if self._temporary:
            shutil.rmtree(self.folder)

    def _run(self, program, *arguments):
        user = {} if self._user is None else {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "HOME": str(self.folder)}
        done = subprocess.run(
            [self._programs / program, *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a pipe would stay open as long as the server
            stderr=subprocess.DEVNULL,
            check=False,
            **user,
        )
        if done.returncode:
            log = self.folder / "log"
            raise RuntimeError(f"{program} failed: {log.read_text() if log.exists() else done.returncode}")

    def _make(self):
        password = self.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self._run(
            "initdb", "-D", self._data, "-U", USER, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
            "--auth=password", f"--pwfile={password}",
        )  # fmt: skip
        password.unlink()

    def start(self):
        """Start it, on the port of before."""
        options = " ".join(f"-c {name}={value or chr(39) * 2}" for name, value in self._settings.items())
        self._run(
            "pg_ctl", "-D", self._data, "-l", self.folder / "log", "-o", f"-p {self.port} {options}", "-w", "start"
        )

    def stop(self, mode="immediate"):
        """Stop it: like a crash, or in good order with the mode "fast"."""
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", self._data, "-m", mode, "-w", "stop")

    def url(self, name):
        """Of a fresh database of that name."""
        with psycopg.connect(self._named("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self._named(name)

    def empty(self, url):
        """Take all out of a database, whoever uses it: much quicker than a fresh one."""
        with psycopg.connect(url, autocommit=True) as connection:
            others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            connection.execute(f"SELECT pg_terminate_backend(pid) {others}")
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")

    def _named(self, name):
        return f"postgresql://{USER}:{_QUOTED}@127.0.0.1:{self.port}/{name}"


def _free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]
