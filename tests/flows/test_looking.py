"""The preview as a user runs it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from flows.cli import main
from tests.tasks.report.test_preview import FILE, SAMPLE, pipeline

OPERATION = """
from imagemill import Filter

class Upend(Filter):
    \"\"\"Turn values around.\"\"\"
    def filter(self, pixels):
        return WHITE - pixels
"""


def test_it_draws_without_a_server_or_a_cluster(tmp_path: Path) -> None:
    pipeline(tmp_path)
    script = (
        "import sys; from flows.cli import main\n"
        "main(['preview', 'small', '-n', '2'], standalone_mode=False)\n"
        "found = sorted({'prefect', 'dask', 'distributed', 'vl_convert', 'textual_image'} & set(sys.modules))\n"
        "assert not found, found"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "preview.png\n"
    assert Image.open(tmp_path / "preview.png").format == "PNG"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pipelines.yaml", "preview.png"]


def test_json_says_what_the_sheet_shows(tmp_path: Path) -> None:
    file = pipeline(tmp_path)
    arguments = ["preview", "small", "-f", str(file), "-n", "3", "--output", str(tmp_path / "s.png"), "--json"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["steps"] == ["convert_color", "square", "augmented", "colors"]
    assert len(told["samples"]) == 3 and told["output"] == str(tmp_path / "s.png")
    for sample in told["samples"]:
        assert sample["rejected"] is None or sample["rejected"]["reason"]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--step", "nosuch"], 2, "no step `nosuch`"),
        (["--source", "/nowhere"], 2, "/nowhere"),
        (["--output", "/nowhere/a.png"], 1, "cannot be written"),
        (["--watch", "--json"], 2, "leave one out"),
        (["-n", "0"], 2, "0"),
    ],
)
def test_a_wrong_request_gets_one_clear_line(tmp_path: Path, options: list[str], code: int, message: str) -> None:
    done = CliRunner().invoke(main, ["preview", "small", "-f", str(pipeline(tmp_path)), "-n", "1", *options])
    assert done.exit_code == code
    assert message in done.stderr and "Traceback" not in done.stderr


def test_watch_draws_again_when_the_file_or_a_module_it_uses_changes_and_shows_a_mistake(tmp_path: Path) -> None:
    source = tmp_path / "images"
    source.mkdir()
    Image.new("RGB", (80, 80), (10, 20, 30)).save(source / "a.png")
    text = FILE.replace("      - screen: {dark: {below: 0.32}, blurry: {below: 0.65}}\n", "").replace(
        "      - convert_color: {space: rgb}\n", "      - upend: {}\n        use: my_ops:Upend\n"
    )
    (tmp_path / "my_ops.py").write_text(OPERATION.replace("WHITE", "255"))
    file = pipeline(tmp_path, source, text)
    sheet = tmp_path / "preview.png"
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "preview", "small", "--watch"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SAMPLE.parents[1])},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert "drawn in" in process.stderr.readline()
        first = sheet.read_bytes()
        file.write_text(file.read_text().replace("32, 32", "32, 0"))
        assert "pipelines.yaml" in process.stderr.readline()
        assert sheet.read_bytes() == first
        pipeline(tmp_path, source, text)
        assert "drawn in" in process.stderr.readline()
        (tmp_path / "my_ops.py").write_text(OPERATION.replace("WHITE", "130"))
        assert "drawn in" in process.stderr.readline()
        assert sheet.read_bytes() != first
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.wait()


def test_a_terminal_of_size_zero_gets_the_path_and_no_traceback(tmp_path: Path) -> None:
    pytest.importorskip("textual_image", reason="the extra `terminal` is not installed")
    pipeline(tmp_path)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "preview", "small", "-n", "1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SAMPLE.parents[1]), "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # the other end was closed
        pass
    finally:
        os.close(ours)
    assert process.wait(60) == 0
    assert b"preview.png" in shown and b"Traceback" not in shown
