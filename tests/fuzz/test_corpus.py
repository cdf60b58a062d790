"""Every file of the corpus: what is valid is taken, what was found does no harm any more."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from fuzz.disk import RECORDS
from fuzz.seeds import CORPUS, all_seeds
from fuzz.targets import TARGETS
from protocols.messages import Wire

FILES = sorted(CORPUS.glob("*/*"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.name}")
def test_bytes_of_the_corpus_are_taken_or_refused_as_promised(file: Path) -> None:
    taken = TARGETS[file.parent.name].takes(file.read_bytes())

    kind = file.name.partition("-")[0]
    assert kind in ("valid", "refused", "found")
    assert taken or kind != "valid"
    assert not taken or kind != "refused"


def test_every_target_has_examples_that_it_takes_and_such_that_it_refuses() -> None:
    kinds = {(file.parent.name, file.name.partition("-")[0]) for file in FILES}

    assert {target for target, _ in kinds} == TARGETS.keys()
    for name, target in TARGETS.items():
        assert (name, "valid") in kinds
        assert (name, "refused") in kinds or not target.refusals


def test_every_kind_of_message_and_every_record_has_an_example() -> None:
    def kinds_in(target: str) -> set[str]:
        names = {f.name for f in FILES if f.parent.name == target and f.name.startswith("valid-")}
        return {name.split("-")[1] for name in names}

    messages = {kind.__name__ for kind in get_args(Wire)}
    assert kinds_in("message") == kinds_in("body") == messages
    assert kinds_in("record") == {kind.__name__ for kind in RECORDS}


def test_the_valid_examples_are_those_of_todays_formats() -> None:
    """Boxes and encrypted keys hold fresh entropy: of these only the names are compared."""
    seeds = {(target, f"valid-{name}"): data for target, name, data in all_seeds()}
    kept = {(f.parent.name, f.name): f.read_bytes() for f in FILES if f.name.startswith("valid-")}

    assert kept.keys() == seeds.keys()
    drawn = {("key_file", "valid-encrypted"), *(key for key in kept if key[0] == "box")}
    assert [key for key in kept if kept[key] != seeds[key] and key not in drawn] == []
