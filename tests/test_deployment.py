"""The container files, and what documents say of the service: what can be checked without a container engine."""

import fnmatch
import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from recessive.cli import app

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
OURS = ("service", "worker")
DOCUMENTS = ("README.md", "docs/service.md")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def instructions():
    """Of the Dockerfile: (word, the rest of the line)."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]


def only(word):
    """The rest of the last instruction of that name."""
    return [rest for first, rest in instructions() if first == word][-1]


def copied():
    """What of the repository the image is made of."""
    sources = []
    for word, rest in instructions():
        if word in ("COPY", "ADD") and "--from=" not in rest:
            sources += rest.split()[:-1]
    return sources


def ignored(path):
    """Whether .dockerignore keeps a path out, itself or with a folder above; the last pattern that fits counts."""
    out = False
    parts = path.split("/")
    above = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!").strip()
        if not pattern or pattern.startswith("#"):
            continue
        anywhere = pattern.startswith("**/")
        # A star of Docker's does not go beyond a folder; in a pattern without a slash it cannot.
        names = [name.rpartition("/")[2] if anywhere else name for name in above]
        if any(
            fnmatch.fnmatchcase(name, pattern.removeprefix("**/")) and (anywhere or "/" not in name) for name in names
        ):
            out = not line.startswith("!")
    return out


def shell_lines(text):
    """Commands of the shell blocks of a document, each in one piece, without the prompts and what they print."""
    for language, block in FENCED.findall(text):
        if language in ("sh", "console"):
            lines = re.sub(r"\\\n\s*", " ", block).splitlines()
            yield from (line.removeprefix("$ ") for line in lines if language == "sh" or line.startswith("$ "))


def ours_of(line):
    """The arguments of a call of `recessive` in a shell line: by its name or path, as another user, in a container."""
    line = re.sub(r"^docker compose (run|exec)( --?\S+)* service (recessive )?", "recessive ", line)
    line = re.sub(r"^docker run .* recessive(?= |$)", "recessive", line)
    line = re.sub(r"^(sudo -u \w+ |\w+=\S* )+", "", line)
    words = shlex.split(line, comments=True)
    return [words[1:]] if words and Path(words[0]).name == "recessive" else []


def commands():
    """Each `recessive` command line of the container files and documents, and where it stands."""
    yield "Dockerfile", json.loads(only("CMD"))
    for name in OURS:
        yield f"compose.yaml: {name}", SERVICES[name]["command"]
    for document in DOCUMENTS:
        text = (ROOT / document).read_text(encoding="utf-8")
        for line in shell_lines(text):
            for call in ours_of(line):
                yield document, call
        for line in re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE):
            for call in ours_of(line):
                yield f"{document}: systemd", call


@pytest.mark.parametrize(
    ("where", "call"), list(commands()), ids=lambda value: value if isinstance(value, str) else " ".join(value)
)
def test_each_command_that_is_written_somewhere_is_one(where, call):  # noqa: ARG001 - for the name of the test
    app.parse_args(call, exit_on_error=False, print_error=False)


def test_commands_are_found_in_all_places():
    places = {where for where, _ in commands()}
    assert places >= {
        "Dockerfile",
        "compose.yaml: service",
        "compose.yaml: worker",
        *DOCUMENTS,
        "docs/service.md: systemd",
    }
    assert {word for where, call in commands() if where == "docs/service.md" for word in call[:1]} >= {
        "serve",
        "worker",
        "keys",
        "watch",
    }


def test_a_command_that_is_none_is_noticed():
    with pytest.raises(Exception, match="--prot"):
        app.parse_args(["serve", "--prot", "1"], exit_on_error=False, print_error=False)


def test_what_is_copied_is_there_and_let_in():
    assert copied() == ["pyproject.toml", "README.md", "LICENSE", "src"]
    for source in copied():
        assert (ROOT / source).exists()
        assert not ignored(source)
    assert not ignored("src/recessive/service/http/page/index.html")


def test_what_the_package_is_built_of_is_copied():
    assert {PROJECT["readme"], *PROJECT["license-files"]} <= set(copied())


@pytest.mark.parametrize(
    "path",
    [
        ".env", ".git/config", "beach.jpg", "holiday/beach.jpg", "recessive-service/jobs.sqlite3", ".venv/x",
        "protected/beach.jpg", "tests/conftest.py", "compose.yaml", "src/recessive/__pycache__/words.cpython-312.pyc",
        "src/recessive/words.pyc", "id_rsa",
        "node_modules/typescript/package.json", "package.json",
    ],
)  # fmt: skip
def test_nothing_else_gets_into_the_image(path):
    assert ignored(path)


def test_the_image_has_the_torch_and_python_of_the_project():
    (torch,) = (name for name in PROJECT["dependencies"] if name.startswith("torch"))
    runs = " ".join(rest for word, rest in instructions() if word == "RUN")
    assert f'"{torch}"' in runs
    assert '--index-url "$TORCH_INDEX"' in runs
    extras = re.search(r'"\.\[([\w,]+)\]"', runs)[1].split(",")
    assert set(extras) <= PROJECT["optional-dependencies"].keys()
    assert "serve" in extras
    bases = {rest.split()[0] for word, rest in instructions() if word == "FROM"}
    assert bases == {"python:3.12-slim"}
    assert "Programming Language :: Python :: 3.12" in PROJECT["classifiers"]


def test_the_image_runs_as_nobody_and_holds_no_secret():
    assert only("USER").isdigit()
    assert int(only("USER")) > 0
    named = " ".join(rest for word, rest in instructions() if word in ("ARG", "ENV")).lower()
    assert not any(word in named for word in ("password", "secret", "token", "key", "database_url"))


def test_port_and_folder_agree_everywhere():
    call = json.loads(only("CMD"))
    port, folder = (call[call.index(option) + 1] for option in ("--port", "--folder"))
    assert only("EXPOSE") == port
    assert only("VOLUME") == folder
    assert f"'127.0.0.1', {port}" in only("HEALTHCHECK")
    service = SERVICES["service"]["command"]
    assert service[service.index("--port") + 1] == port
    (published,) = SERVICES["service"]["ports"]
    assert published == f"127.0.0.1:{port}:{port}"
    for name in OURS:
        command = SERVICES[name]["command"]
        assert command[command.index("--folder") + 1] == folder
        assert SERVICES[name]["volumes"] == [f"photos:{folder}"]


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_health_check_asks_the_service(status, healthy):
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    call = json.loads(only("HEALTHCHECK").split("CMD ", 1)[1])
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        code = call[2].replace("8000", str(server.server_port))
        ran = subprocess.run([sys.executable, call[1], code], check=False, timeout=30)
        thread.join()
    assert (ran.returncode == 0) is healthy
    assert asked == ["/health"]


def test_the_health_check_fails_when_nobody_answers():
    call = json.loads(only("HEALTHCHECK").split("CMD ", 1)[1])
    code = call[2].replace("8000", "9")  # of the discard protocol: nobody has it
    ran = subprocess.run([sys.executable, call[1], code], check=False, timeout=30, stderr=subprocess.DEVNULL)
    assert ran.returncode != 0


@pytest.mark.parametrize("name", SERVICES)
def test_each_container_can_do_no_more_than_it_must(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["restart"] == "unless-stopped"
    assert not {"privileged", "network_mode", "pid", "ipc", "devices"} & service.keys()
    if name in OURS:
        assert "cap_add" not in service


def test_the_database_is_reached_from_within_only():
    database = SERVICES["database"]
    assert not {"ports", "expose"} & database.keys()
    assert database["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    for name in OURS:
        assert SERVICES[name]["depends_on"]["database"] == {"condition": "service_healthy"}


def test_the_services_find_the_database():
    database = SERVICES["database"]["environment"]
    check = SERVICES["database"]["healthcheck"]["test"]
    for name in OURS:
        environment = SERVICES[name]["environment"]
        user, name_ = database["POSTGRES_USER"], database["POSTGRES_DB"]
        assert environment["RECESSIVE_DATABASE_URL"] == f"postgresql://{user}@database/{name_}"
        assert environment["PGPASSWORD"] == database["POSTGRES_PASSWORD"]
        assert check == ["CMD", "pg_isready", "--username", user, "--dbname", name_]


def test_the_only_secret_comes_from_the_environment():
    secrets = [
        value
        for service in SERVICES.values()
        for variable, value in service["environment"].items()
        if "PASSWORD" in variable
    ]
    assert len(secrets) == 3
    assert all(value.startswith("${POSTGRES_PASSWORD:?") for value in secrets)


def test_volumes_and_networks_are_declared():
    for service in SERVICES.values():
        assert {volume.split(":")[0] for volume in service["volumes"]} <= COMPOSE["volumes"].keys()
        assert set(service["networks"]) <= COMPOSE["networks"].keys()


@pytest.mark.skipif(
    shutil.which("docker") is None
    or subprocess.run(["docker", "compose", "version"], check=False, capture_output=True).returncode != 0,
    reason="the docker client has no compose",
)
def test_compose_takes_its_file():
    ran = subprocess.run(
        ["docker", "compose", "config", "--quiet"],
        cwd=ROOT,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "POSTGRES_PASSWORD": "x"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
