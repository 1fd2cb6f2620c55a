"""Our CPU kernels as a library: compiled once a machine, and kept for this user alone.

built · compiler, digest.
"""

import contextlib
import errno
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from attn_ppo.compute import devices

FLAGS = ["-O3", "-ffp-contract=fast", "-fno-math-errno", "-shared", "-fPIC"]


class KernelsUnavailable(Exception):
    """This machine can't build the kernels; the message says why, in one line."""


def built(source: Path) -> Path:
    """The library of a source file and the headers beside it, built where there is none yet.

    Raises KernelsUnavailable, or OSError where it can't be kept or others could plant code there.
    """
    headers = [path.read_text() for path in sorted(source.parent.glob("*.h"))]
    identity = [source.read_text(), *headers, *FLAGS, _processor(), compiler()]
    name = "kernels-" + hashlib.sha256("\n".join(identity).encode()).hexdigest()[:16]
    folder = _folder()
    return _whole(folder, name) or _build(source, folder, name)


def compiler() -> str:
    """The path of the C++ compiler. Raises KernelsUnavailable where there is none."""
    found = shutil.which(os.environ.get("CXX", "c++")) or shutil.which("g++")
    if found is None:
        raise KernelsUnavailable("there's no C++ compiler (c++, g++ or $CXX)")
    return found


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _whole(folder: Path, name: str) -> Path | None:
    """A library built earlier whose content is what its name says; the loader doesn't look.

    One cut short would end the process with SIGBUS.
    """
    found = sorted(folder.glob(f"{name}-*.so"))
    return next((path for path in found if path.stem == f"{name}-{digest(path)[:16]}"), None)


def _build(source: Path, folder: Path, name: str) -> Path:
    """Compiles the kernels, atomically; without threads if there is no OpenMP."""
    with tempfile.TemporaryDirectory(dir=folder) as inner:
        fresh = Path(inner) / "kernels.so"
        for extra in _attempts(sys.platform, platform.machine()):
            command = [compiler(), *FLAGS, *extra, str(source), "-o", str(fresh)]
            result = subprocess.run(command, capture_output=True, text=True)
            if result.returncode == 0:
                with open(fresh, "rb+") as file:
                    os.fsync(file.fileno())
                kept = folder / f"{name}-{digest(fresh)[:16]}.so"
                os.replace(fresh, kept)
                return kept
    reason = (result.stderr.strip() or f"exit code {result.returncode}").splitlines()[0]
    raise KernelsUnavailable(f"{compiler()} can't build the kernels: {reason}")


def _attempts(system: str, machine: str) -> list[list[str]]:
    """Flags to try, the best first.

    Clang for ARM knows -mcpu only. On macOS there is no OpenMP: a second copy of it, beside that
    which PyTorch brings, would end the process.
    """
    native = "-mcpu=native" if machine in ("arm64", "aarch64") else "-march=native"
    threaded = [] if system == "darwin" else [[native, "-fopenmp"]]
    return [*threaded, [native], []]


def _folder() -> Path:
    """The folder of built kernels, which only this user can access.

    In the user's cache; where there's no home, or none to write to, with the temporary files.
    """
    with contextlib.suppress(OSError, RuntimeError):  # no HOME, and a user without a name
        cache_home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return _private(Path(cache_home) / "attn_ppo")
    return _private(Path(tempfile.gettempdir()) / f"attn_ppo-{os.getuid()}")


def _private(folder: Path) -> Path:
    """The folder, made where there is none. Raises OSError where others could plant code in it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid == os.getuid() and not status.st_mode & 0o22 and os.access(folder, os.W_OK):
        return folder
    raise PermissionError(errno.EPERM, "not a folder that this user alone writes to", str(folder))


def _processor() -> str:
    """What `-march=native` depends on, because machines of a cluster may share one home."""
    lines = [platform.machine(), platform.processor()]
    if sys.platform == "darwin":
        lines.append(devices.chip())
    with contextlib.suppress(OSError):
        wanted = ("model name", "flags", "Features")
        text = Path("/proc/cpuinfo").read_text().partition("\n\n")[0]
        lines += [line for line in text.splitlines() if line.startswith(wanted)]
    return "\n".join(lines)
