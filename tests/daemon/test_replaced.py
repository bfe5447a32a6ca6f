"""Files that are replaced under a running edge: it says so, and mixes no two versions."""

import shutil
from pathlib import Path

import psutil
import pytest

import seawall
from helpers import wait_until
from seawall.demo.website import running_website
from seawall.installation import Installation
from seawall_process import Edge, seawall_up

CHANGE = "    routes: [{name: gone, path: /gone, respond: {status: 410}}]\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of Seawall, which processes started from here on are of."""
    copy = tmp_path / "installed" / "seawall"
    shutil.copytree(Path(seawall.__file__).parent, copy)
    monkeypatch.setenv("PYTHONPATH", str(copy.parent))
    return copy


def end_workbench(edge: Edge) -> None:
    """As after some idle seconds."""
    for child in psutil.Process(edge.pid("control")).children():
        if "seawall.api.workbench" in child.cmdline():
            child.kill()
            wait_until(lambda gone=child: is_gone(gone), what="the workbench is gone")


def is_gone(process: psutil.Process) -> bool:
    """Whether it has ended; control looks for its exit code when it needs the next one."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def warned(edge: Edge) -> bool:
    return any("nothing can be checked or applied" in text for text in edge.notices())


def test_an_installation_knows_what_was_replaced(tmp_path: Path) -> None:
    module = tmp_path / "deep" / "module.py"
    module.parent.mkdir()
    module.write_text("A = 1\n")
    began = Installation(tmp_path)
    (tmp_path / "deep" / "__pycache__").mkdir()
    (tmp_path / "deep" / "__pycache__" / "module.pyc").write_bytes(b"compiled")
    assert not began.replaced()
    module.write_text("A = 22\n")
    assert began.replaced()
    now = Installation(tmp_path)
    assert not now.replaced()
    module.unlink()
    assert now.replaced()
    assert not Installation(tmp_path / "nothing").replaced()


def test_a_change_waits_for_a_start_of_what_was_installed(tmp_path: Path, package: Path) -> None:
    with running_website() as website:
        origin = f"http://127.0.0.1:{website}"
        with seawall_up(tmp_path, origin, cold=True) as edge:
            edge.write(more=CHANGE)
            edge.json("apply")
            assert not warned(edge)
            with (package / "judge" / "__init__.py").open("a") as module:
                module.write("# of the next version\n")
            end_workbench(edge)
            edge.write()
            refused = edge.json("apply", code=1)
            assert refused["error"]["code"] == "installation-replaced"
            assert "down --keep-serving" in refused["error"]["remedy"]
            assert warned(edge)
            assert edge.get("/gone")[0] == 410
            edge.json("rollback", "r1")
            wait_until(lambda: edge.get("/gone")[0] != 410, what="r1 serves again")
            edge.json("down", "--keep-serving")
            edge.process.wait(30)
            edge.get()
        with seawall_up(tmp_path, origin, port=edge.port, cold=True) as edge:
            edge.write(more=CHANGE)
            edge.json("apply")
            assert edge.get("/gone")[0] == 410
            assert not warned(edge)
