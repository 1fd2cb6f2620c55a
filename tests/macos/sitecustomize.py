"""Linux made to look like macOS: with this folder on PYTHONPATH, every Python process reads it.

What macOS lacks is taken away: /proc, SIGRTMIN, affinity, EREMOTEIO, prctl; the compiler has no
OpenMP (CXX, set by the test). With ATTN_PPO_NO_FCNTL there is no fcntl either.
"""

import builtins
import ctypes
import errno
import io
import os
import signal
import sys
import sysconfig
import urllib.request  # noqa: F401 asks macOS for its proxies


def _without_proc(function):
    def call(path=".", *arguments, **more):
        if isinstance(path, str | os.PathLike) and os.fspath(path).startswith("/proc"):
            raise FileNotFoundError(errno.ENOENT, "no /proc on macOS", os.fspath(path))
        return function(path, *arguments, **more)

    return call


builtins.open = io.open = _without_proc(open)
os.listdir, os.readlink = _without_proc(os.listdir), _without_proc(os.readlink)
for module, names in {
    signal: ("SIGRTMIN", "SIGRTMAX"),
    os: ("sched_getaffinity",),
    errno: ("EREMOTEIO",),
}.items():
    for name in names:
        delattr(module, name)


class _WithoutPrctl(ctypes.CDLL):
    def __getattr__(self, name):
        if name == "prctl":
            raise AttributeError("dlsym(RTLD_DEFAULT, prctl): symbol not found")
        return super().__getattr__(name)


ctypes.CDLL = _WithoutPrctl
if os.environ.get("ATTN_PPO_NO_FCNTL"):
    sys.modules["fcntl"] = None  # pyright: ignore[reportArgumentType] an import then fails
sysconfig.get_config_vars()  # kept, as it reads a file that is named after the platform
sys.platform = "darwin"
