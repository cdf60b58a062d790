"""The size check finds what it should, names the place and fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "check_functions.py"


def checked(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TOOL), str(root)], capture_output=True, text=True, check=False
    )


def written(root: Path, name: str, content: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def function_of(lines: int, *, head: str = "def walk():") -> str:
    return head + "\n" + "    pass\n" * (lines - 1)


def test_function_of_fifty_lines_passes(tmp_path: Path) -> None:
    written(tmp_path, "tests/test_it.py", function_of(50))

    done = checked(tmp_path)

    assert (done.returncode, done.stdout) == (0, "")


def test_function_of_fifty_one_lines_fails_in_every_folder(tmp_path: Path) -> None:
    folders = (
        "actors",
        "protocols",
        "infra",
        "quorate_pytest",
        "models",
        "mutants",
        "tests",
        "benchmarks",
        "tools",
        "examples",
    )
    for folder in folders:
        written(tmp_path, f"{folder}/deep/it.py", '"""It."""\n' + function_of(51))

    done = checked(tmp_path)

    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"{folder}/deep/it.py:2: walk has 51 lines, more than 50" for folder in folders
    ]


def test_decorators_and_async_methods_count(tmp_path: Path) -> None:
    method = "class A:\n    @staticmethod\n    async def walk():\n" + "        pass\n" * 49
    written(tmp_path, "tests/test_it.py", method)

    done = checked(tmp_path)

    assert done.stdout == "tests/test_it.py:3: walk has 51 lines, more than 50\n"


def test_five_parameters_besides_self_pass_and_six_fail(tmp_path: Path) -> None:
    written(
        tmp_path,
        "infra/it.py",
        '"""It."""\n'
        "class A:\n"
        "    def five(self, a, b, c, *, d, e): ...\n"
        "    def six(self, a, b, /, c, *d, e, **f): ...\n",
    )

    done = checked(tmp_path)

    assert done.returncode == 1
    assert done.stdout == "infra/it.py:4: six takes 6 parameters, more than 5\n"


def test_tests_may_take_more_parameters_and_need_no_docstring(tmp_path: Path) -> None:
    written(tmp_path, "tests/test_it.py", "def test_it(a, b, c, d, e, f): ...\n")

    assert checked(tmp_path).returncode == 0


def test_module_of_a_package_needs_a_docstring(tmp_path: Path) -> None:
    written(tmp_path, "protocols/bare.py", "x = 1\n")
    written(tmp_path, "protocols/empty.py", '""" """\n')
    written(tmp_path, "protocols/fine.py", '"""Fine."""\n')

    done = checked(tmp_path)

    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "protocols/bare.py:1: the module has no docstring",
        "protocols/empty.py:1: the module has no docstring",
    ]


UNREPEATABLE = """\"\"\"It.\"\"\"
a = [hash("a"), id(a), {1: 2}.get(1)]
for b in {1, 2}:
    pass
c = [d for d in set(a)]
e = sorted({1, 2})
"""


def test_what_differs_from_process_to_process_fails_where_runs_must_repeat(tmp_path: Path) -> None:
    for folder in ("actors", "protocols", "infra/simulation", "infra/rabbitmq", "tests"):
        written(tmp_path, f"{folder}/it.py", UNREPEATABLE)

    done = checked(tmp_path)

    a_set = "a set has another order in another process: use sorted or dict"
    assert done.stdout.splitlines() == [
        f"{folder}/it.py:{what}"
        for folder in ("actors", "protocols", "infra/simulation")
        for what in (
            "2: hash() differs from process to process",
            "2: id() differs from process to process",
            f"3: {a_set}",
            f"5: {a_set}",
        )
    ]


def test_the_linter_keeps_real_time_and_entropy_out_of_what_must_repeat() -> None:
    source = '"""It."""\n\nimport random\nimport time\n\n'
    source += "NOW = [time.time(), random.random(), random.Random(7).random()]\n"
    root = TOOL.parents[1]

    def told(name: str) -> list[str]:
        place = f"--stdin-filename={root / name}"
        done = subprocess.run(
            [
                "ruff",
                "check",
                "--output-format=concise",
                "--select=TID251",
                "-",
                place,
            ],
            input=source,
            capture_output=True,
            text=True,
            check=False,
            cwd=root,
            env={"PATH": str(Path(sys.executable).parent)},
        )
        return [line.split("`")[1] for line in done.stdout.splitlines() if "TID251" in line]

    for folder in ("actors", "protocols", "protocols/secagg", "infra/simulation"):
        assert told(f"{folder}/it.py") == ["time.time", "random.random"]
    assert told("infra/it.py") == []
