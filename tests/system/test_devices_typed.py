"""A locked device, a second window and a second machine, typed into terminals."""

from __future__ import annotations

from pathlib import Path

from tests.processes import Relay
from tests.terminal import Terminal

PASSWORD = "Tulpen-im-Mai-7"
PASSPHRASE = "my secret words"


def test_a_passphrase_opens_the_device_and_a_window_at_a_time(tmp_path: Path) -> None:
    with Relay(tmp_path) as relay:
        question = f"Passphrase of this device for ann at {relay.server}:"
        with Terminal(tmp_path / "ann", relay) as ann:
            ann.answer("c  close\n>", "r")
            ann.answer("Name:", "ann")
            ann.answer("Password:", PASSWORD)
            ann.answer("key file):", PASSPHRASE)
            ann.see("Welcome, ann.")
            ann.type("/quit")
            assert ann.wait() == 0
        with Terminal(tmp_path / "ann", relay) as ann:
            ann.answer(question, "wrong")
            ann.see("That passphrase does not open it")
            ann.answer(f"open it.\n{question}", PASSPHRASE)
            ann.see("Welcome, ann.")
            assert PASSPHRASE not in ann.text()
            with Terminal(tmp_path / "ann", relay) as second:
                second.see(f"ann at {relay.server} is open in another window", "c  close")


def test_a_second_machine_is_asked_for_the_recovery_code(tmp_path: Path) -> None:
    with Relay(tmp_path) as relay, Terminal(tmp_path / "ann", relay) as ann:
        ann.register("ann")
        shown = [line.strip() for line in ann.text().splitlines() if line.startswith("    ")]
        with Terminal(tmp_path / "elsewhere", relay) as elsewhere:
            elsewhere.answer("c  close\n>", "login")
            elsewhere.answer("Name or e-mail:", "ann")
            elsewhere.answer("Password:", PASSWORD)
            elsewhere.answer("Recovery code:", "nonsense")
            elsewhere.answer("key file):", "")
            elsewhere.see("Nothing was changed")
            elsewhere.answer("changed.\nRecovery code:", " ".join(shown[:2]))
            elsewhere.see("Welcome, ann.")
            ann.type("hello me")
            elsewhere.see("you: hello me")
