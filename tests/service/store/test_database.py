"""Databases: which are taken, that they keep their word, and how their tables come to be."""

import sqlite3
import threading
from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError

from recessive.service.store.database import Database, DatabaseError, FairLock
from recessive.service.store.tables import jobs, keys, metadata, workers


@pytest.mark.parametrize(
    "url",
    [
        "",
        "jobs.sqlite3",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite://:memory:",
        "sqlite:///file::memory:?uri=true",
        "mysql://user:pa55word@host/name",
        "postgresql+asyncpg://user:pa55word@host/name",
        "postgresql://user:pa55word@host:port/name",
        "postgresql://user:pa:55word@host:pa55word/name",
    ],
)
def test_other_urls_are_refused_without_their_password(url):
    with pytest.raises(DatabaseError, match="sqlite:///PATH") as refused:
        Database(url)
    assert "55word" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_postgresql_url_may_begin_as_people_write_it(postgresql_url, scheme):
    with Database(f"{scheme}://{postgresql_url.partition('://')[2]}") as database, database.read() as connection:
        assert connection.scalar(text("SHOW transaction_isolation")) == "read committed"


def test_all_after_the_third_slash_is_the_path(tmp_path):
    path = tmp_path / "what? %41 #1" / "jobs & keys.sqlite3"
    with Database(f"sqlite:///{path}") as database:
        database.migrate()
    assert path.is_file()


def test_sqlite_keeps_what_it_has_said_it_keeps(sqlite_url):
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1, "busy_timeout": 30_000}
    with Database(sqlite_url) as database, database.begin() as connection:
        assert {name: connection.scalar(text(f"PRAGMA {name}")) for name in expected} == expected


def test_only_their_owner_may_read_the_files_of_sqlite(tmp_path):
    folder = tmp_path / "new"
    with Database(f"sqlite:///{folder / 'jobs.sqlite3'}") as database:
        database.migrate()
        files = {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())}
    assert files.pop("new") == 0o700
    assert "jobs.sqlite3-wal" in files
    assert set(files.values()) == {0o600}


def test_a_connection_more_does_not_let_go_of_the_locks(sqlite_url, tmp_path, process):
    """Closing a file drops all locks of POSIX that the process has on it: it must not be opened but by SQLite.

    Otherwise another process that comes and goes believes that it is the last one, and takes the log away.
    """
    with Database(sqlite_url) as database:
        database.migrate()
        with database.read(), database.read():  # two connections
            code = """
from recessive.service.store.database import Database
with Database(url) as database:
    database.identity()
"""
            other = process(code, url=sqlite_url)
            other.join(30)
            assert other.exitcode == 0
            assert (tmp_path / "jobs.sqlite3-wal").exists()


def test_one_writes_at_a_time_even_before_it_has_written(sqlite_url):
    with Database(sqlite_url) as database:
        database.migrate()
        with closing(sqlite3.connect(database.engine.url.database, timeout=0)) as other:
            with database.begin(), pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
            with database.read():
                other.execute("BEGIN IMMEDIATE")


def test_what_begins_happens_as_a_whole_or_not_at_all(database):
    def add(name):
        with database.begin() as connection:
            connection.execute(insert(workers).values(name=name, seen=1.0))
            if name == "bad":
                raise ZeroDivisionError

    add("good")
    with pytest.raises(ZeroDivisionError):
        add("bad")
    with database.read() as connection:
        assert connection.scalars(select(workers.c.name)).all() == ["good"]


def test_mistakes_of_the_code_are_not_the_databases_and_show_no_values(database):
    twice = [{"name": "secret name", "seen": 1.0}] * 2
    with pytest.raises(IntegrityError) as shown, database.begin() as connection:
        connection.execute(insert(workers), twice)
    assert "[SQL parameters hidden" in str(shown.value)


def test_now_is_the_databases_time(database):
    with database.begin() as connection:
        first, second = database.now(connection), database.now(connection)
        assert isinstance(first, float)
        assert 1.7e9 < first < second < first + 10


# --- what goes wrong


def test_a_restarted_postgresql_is_survived(postgres, postgresql_url):
    with Database(postgresql_url) as database:
        database.migrate()
        identity = database.identity()
        postgres.stop()
        try:
            with pytest.raises(DatabaseError, match=r"on 127\.0\.0\.1 cannot be used: ") as away:
                database.identity()
        finally:
            postgres.start()
        assert "\n" not in str(away.value)
        assert database.identity() == identity


def test_a_restart_that_nobody_saw_is_not_noticed(postgres, postgresql_url):
    with Database(postgresql_url) as database:
        database.migrate()
        identity = database.identity()
        postgres.stop()
        postgres.start()
        assert database.identity() == identity


def test_one_that_goes_away_within_a_transaction_is_said_so(postgres, postgresql_url):
    with Database(postgresql_url) as database:
        database.migrate()

        def write():
            with database.begin() as connection:
                connection.execute(insert(workers).values(name="a", seen=1.0))
                postgres.stop()
                connection.execute(insert(workers).values(name="b", seen=1.0))

        try:
            with pytest.raises(DatabaseError, match="cannot be used"):
                write()
        finally:
            postgres.start()
        with database.read() as connection:
            assert connection.scalars(select(workers.c.name)).all() == []


def test_a_password_never_comes_out(postgresql_url):
    wrong = postgresql_url.replace("se%3Acret", "x%3Apassw0rd")
    for url in (wrong, wrong + "?sslmode=x:passw0rd", wrong.replace("x%3Apassw0rd@", "@") + "?password=passw0rd"):
        with Database(url) as database:
            with pytest.raises(DatabaseError, match="cannot be used") as refused:
                database.migrate()
            assert "passw0rd" not in f"{refused.value} {database!r}"


def test_a_file_that_is_no_database_is_said_so(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"not a database at all" * 100)
    with Database(f"sqlite:///{path}") as database, pytest.raises(DatabaseError, match=r"photo\.jpg cannot be used"):
        database.migrate()
    path = path / "below"
    with Database(f"sqlite:///{path}") as database, pytest.raises(DatabaseError, match=r"below cannot be used"):
        database.migrate()


# --- texts and JSON


@pytest.mark.parametrize(("given", "kept"), [("a\0b", "a\ufffdb"), ("\ud83d!", "\ufffd!"), ("Ärger 📷", "Ärger 📷")])
def test_any_text_can_be_stored_and_looked_for(database, given, kept):
    with database.begin() as connection:
        connection.execute(insert(workers).values(name=given, seen=1.0))
        assert connection.scalars(select(workers.c.name).where(workers.c.name == given)).all() == [kept]


# --- tables


def test_the_migrations_lead_to_the_tables_that_the_code_has(database):
    options = {"compare_type": True, "compare_server_default": True}
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


def test_migrating_again_changes_nothing(database):
    identity = database.identity()
    assert len(identity) == 32
    database.migrate()
    assert database.identity() == identity


def test_each_database_has_its_own_identity(sqlite_url, tmp_path):
    with Database(sqlite_url) as one, Database(f"sqlite:///{tmp_path / 'other'}") as other:
        one.migrate()
        other.migrate()
        assert one.identity() != other.identity()


def test_a_migration_that_fails_leaves_nothing_behind(database_url):
    with Database(database_url) as database:
        with database.begin() as connection:
            workers.create(connection)  # in the way of the last table
        with pytest.raises(DatabaseError, match=r"workers.* already exists"):
            database.migrate()
        assert inspect(database.engine).get_table_names() == ["workers"]


def test_tables_of_a_newer_version_are_refused(database):
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseError, match="newer version of recessive; update this one"):
        database.migrate()
    with database.read() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


def test_eight_processes_may_migrate_at_once(database_url, at_once):
    code = """
from recessive.service.store.database import Database
with Database(url) as database:
    ready.release()
    start.acquire()
    database.migrate()
"""
    at_once(code, 8, url=database_url)
    with Database(database_url) as database, database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM identity")) == 1
        assert connection.scalar(select(func.count()).select_from(jobs)) == 0
        assert connection.scalar(select(func.count()).select_from(keys)) == 0


def test_a_deleted_job_takes_its_history_along(database):
    with database.read() as connection:
        foreign = inspect(connection).get_foreign_keys("history")
    assert [(key["referred_table"], key["options"]) for key in foreign] == [("jobs", {"ondelete": "CASCADE"})]


# --- turns


def test_writers_come_in_the_order_in_which_they_asked(tmp_path):
    turns, order = FairLock(tmp_path / "turn"), []

    def write(number):
        with turns:
            order.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(20)]
    with turns:
        for number, thread in enumerate(threads):
            thread.start()
            while len(turns._waiting) <= number:
                thread.join(0.001)
    for thread in threads:
        thread.join()
    assert order == list(range(20))


def test_a_turn_passed_on_is_not_free(tmp_path):
    turns = FairLock(tmp_path / "missing" / "turn")  # threads alone are put in order
    second_is_in, second_may_go, third_is_in = threading.Event(), threading.Event(), threading.Event()

    def second():
        with turns:
            second_is_in.set()
            assert second_may_go.wait(30)

    def third():
        with turns:
            third_is_in.set()

    threads = [threading.Thread(target=second), threading.Thread(target=third)]
    with turns:
        threads[0].start()
        while not turns._waiting:
            threads[0].join(0.001)
    assert second_is_in.wait(30)
    threads[1].start()
    while not (turns._waiting or third_is_in.is_set()):
        threads[1].join(0.001)
    assert not third_is_in.is_set()
    second_may_go.set()
    assert third_is_in.wait(30)
    for thread in threads:
        thread.join()


def test_an_exception_passes_the_turn_on(tmp_path):
    turns = FairLock(tmp_path / "turn")
    with pytest.raises(ZeroDivisionError), turns:
        raise ZeroDivisionError
    with turns:
        pass


def test_turns_are_taken_where_no_file_can_be_made(tmp_path):
    with FairLock(tmp_path / "missing" / "turn"):
        pass


def test_two_databases_of_one_file_share_its_turns(sqlite_url, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    with Database(sqlite_url) as one, Database(f"sqlite:///{tmp_path / 'link' / 'jobs.sqlite3'}") as other:
        assert one._write_lock is other._write_lock
