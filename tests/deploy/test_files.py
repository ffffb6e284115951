"""What is given to operators works: settings exist, files load, and a relay runs from them."""

from __future__ import annotations

import dataclasses
import getpass
import re
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from bench.relay_peers import make_certificate
from relay.config import Config, load
from tests.processes import ROOT, Relay, environment, free_port, wait_until

DEPLOY = ROOT / "deploy"
FILES = sorted(path for path in DEPLOY.iterdir() if path.name != "grafana.json")
NOT_SETTINGS = {"SOTTO_CONFIG", "SOTTO_USER", "SOTTO_PID", "SOTTO_CERTIFICATES"}


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_every_setting_that_is_named_exists(path: Path) -> None:
    known = {"SOTTO_" + f.name.upper() for f in dataclasses.fields(Config)} | NOT_SETTINGS
    assert set(re.findall(r"SOTTO_[A-Z_]+", path.read_text())) <= known


def test_the_example_loads_with_everything_in_it(tmp_path: Path) -> None:
    lines = (DEPLOY / "relay.toml").read_text().splitlines()
    file = tmp_path / "relay.toml"
    file.write_text("\n".join(line.removeprefix("# ") for line in lines[1:]))
    config = load({}, {}, file)
    assert config.public == "chat.example.org"
    assert config.metrics_address == "127.0.0.1:9464"


def test_what_the_image_holds_is_enough_for_a_relay(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.mkdir()
    for line in (DEPLOY / "Dockerfile").read_text().splitlines():
        if found := re.fullmatch(r"COPY (\S+) /opt/sotto/(\S*)", line):
            source, to = ROOT / found[1], image / (found[2] or found[1])
            (shutil.copytree if source.is_dir() else shutil.copy)(source, to)
    port = free_port()
    command = [sys.executable, "server.py", "serve", "--port", str(port)]
    env = environment(SOTTO_DATA=str(tmp_path / "data"), SOTTO_LOG_FORMAT="json")
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=image, stdout=out, stderr=out, env=env)
    try:
        wait_until(lambda: b"serving" in log.read_bytes(), "the relay to serve")
        program = re.search(r'"-c", "(.*)"\]', (DEPLOY / "Dockerfile").read_text())
        assert program is not None
        check = program[1].replace("5000", str(port))
        assert subprocess.run([sys.executable, "-c", check], timeout=30).returncode == 0
    finally:
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")
def test_a_renewed_certificate_is_taken_over(tmp_path: Path) -> None:
    to, renewed = tmp_path / "to", tmp_path / "renewed"
    for folder in (to, renewed):
        folder.mkdir()
        make_certificate(folder)
        (folder / "certificate.pem").rename(folder / "fullchain.pem")
        (folder / "key.pem").rename(folder / "privkey.pem")
    (to / "privkey.pem").chmod(0o600)
    flags = ["--tls-cert", str(to / "fullchain.pem"), "--tls-key", str(to / "privkey.pem")]
    with Relay(tmp_path, *flags) as relay:

        def shown() -> str:
            return ssl.get_server_certificate(("127.0.0.1", relay.port), timeout=20)

        assert shown() == (to / "fullchain.pem").read_text()
        assert relay.process is not None
        env = environment(
            SOTTO_CERTIFICATES=str(to),
            SOTTO_USER=getpass.getuser(),
            SOTTO_PID=str(relay.process.pid),
            RENEWED_LINEAGE=str(renewed),
        )
        subprocess.run([str(DEPLOY / "renew-certificate.sh")], check=True, env=env, timeout=30)
        new = (renewed / "fullchain.pem").read_text()
        wait_until(lambda: shown() == new, "the new certificate")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_unit_is_understood() -> None:
    command = ["systemd-analyze", "verify", str(DEPLOY / "sotto.service")]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60)
    lines = [line for line in (said.stdout + said.stderr).splitlines() if "sotto.service" in line]
    assert [line for line in lines if "is not executable" not in line] == []
