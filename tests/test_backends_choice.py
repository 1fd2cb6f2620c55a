"""Which backend a run gets, what each needs of a machine, and what is said where it isn't there."""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest
import torch
import torch._inductor
from starting import COMMAND, rows, train

from attn_ppo.agent import make_agent
from attn_ppo.compute import backends
from attn_ppo.errors import ConfigError
from attn_ppo.interpret.network import OpenAgent
from attn_ppo.trained import TrainedAgent

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
CHOICES = {
    (): "kernels",
    ("compute.backend=torch",): "torch",
    ("compute.backend=compile",): "compile",
    ("compute.precision=bf16",): "torch",
    ("attention.hidden=500",): "torch",
    ("attention.hidden=500", "attention.gate=none"): "kernels",
}


@pytest.mark.parametrize("overrides", CHOICES, ids=" ".join)
def test_choice(settings_of, overrides):
    assert backends.choose(settings_of(*overrides), CPU, None).name == CHOICES[overrides]


def having(monkeypatch, *programs: str, triton: bool = True, header: bool = True) -> None:
    """A machine with these compilers."""
    for name in ("CC", "CXX"):
        monkeypatch.delenv(name, raising=False)
    include = sysconfig.get_path("include") if header else "/nowhere"
    monkeypatch.setattr(sysconfig, "get_path", lambda *_, **__: include)
    monkeypatch.setattr(backends.shutil, "which", lambda name: name if name in programs else None)
    monkeypatch.setattr(backends, "find_spec", lambda name: name if triton else None)


COMPILERS = {
    "g++": (CPU, {}, ""),
    "c++": (CPU, {}, "there's no g++ (or $CXX)"),
    "": (CPU, {}, "there's no g++ (or $CXX)"),
    "mine": (CPU, {"CXX": "mine"}, ""),
    "g++   ": (CPU, {"CXX": ""}, "there's no '' (or $CXX)"),
    "g++ ": (CPU, {"CXX": "yours"}, "there's no yours (or $CXX)"),
    "g++ headers": (CPU, {}, "there's no /nowhere/Python.h"),
    "gcc": (CUDA, {}, ""),
    "clang": (CUDA, {}, ""),
    "g++  ": (CUDA, {}, "there's no gcc or clang (or $CC)"),
    "tcc": (CUDA, {"CC": "tcc"}, ""),
    "gcc triton": (CUDA, {}, "pip install triton"),
}


@pytest.mark.parametrize("programs", COMPILERS)
def test_what_torch_compile_needs(programs, monkeypatch):
    device, environment, told = COMPILERS[programs]
    having(
        monkeypatch,
        *programs.split(),
        triton="triton" not in programs,
        header="headers" not in programs,
    )
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    why = backends.compile_missing(device)
    assert why == "" if told == "" else told in why
    assert len(why.splitlines()) <= 1


def test_auto_on_a_gpu_without_a_compiler(settings_of, monkeypatch):
    having(monkeypatch)
    assert backends.choose(settings_of(), CUDA, None).name == "torch"
    with pytest.raises(ConfigError, match=r"allowed: torch here: torch\.compile needs a compiler"):
        backends.choose(settings_of("compute.backend=compile"), CUDA, None)
    anyway = settings_of("checkpoint.resume=anyway")
    assert backends.choose(anyway, CUDA, "compile").name == "torch"


def test_choice_on_a_gpu(settings_of, monkeypatch):
    having(monkeypatch, "gcc")
    cuda = torch.device("cuda")
    assert backends.choose(settings_of(), cuda, None).name == "compile"
    assert backends.choose(settings_of("compute.precision=bf16"), cuda, None).name == "compile"
    with pytest.raises(ConfigError, match="the kernels are for CPUs"):
        backends.choose(settings_of("compute.backend=kernels"), cuda, None)


@pytest.mark.parametrize("gpu", [True, False])
def test_how_functions_are_compiled(gpu, monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch, "compile", lambda function, **how: asked.append(how) or function)

    def function() -> None: ...

    assert backends.compiled(function) is backends.compiled(function) is function
    on_gpu = {"triton.cudagraphs": True, "deterministic": True}
    assert asked == [{"options": on_gpu if gpu else None}]  # once
    assert set(on_gpu) <= set(torch._inductor.list_options())


def test_a_run_goes_on_with_what_it_began_with(settings_of, monkeypatch):
    assert backends.choose(settings_of(), CPU, "torch").name == "torch"
    monkeypatch.setattr(backends, "kernels_missing", lambda *_: "no compiler")
    with pytest.raises(
        ConfigError, match=r"(?s)kernels.*torch or compile here: no compiler"
    ) as told:
        backends.choose(settings_of(), CPU, "kernels")
    assert str(told.value).count("\n") < 3


def test_explicit_kernels_that_can_not_be_had(settings_of):
    with pytest.raises(ConfigError, match="multiple of"):
        backends.choose(settings_of("compute.backend=kernels", "attention.hidden=500"), CPU, None)
    with pytest.raises(ConfigError, match=r"fp32 with compute\.backend=kernels"):
        settings_of("compute.backend=kernels", "compute.precision=bf16")


def test_what_can_not_be_had_leaves_nothing(in_empty_folder):
    result = train("compute.backend=kernels", "attention.hidden=500")
    assert result.returncode == 2
    assert result.stderr.startswith("error: compute.backend=kernels is not allowed\n")
    assert result.stderr.count("\n") <= 3
    assert list(in_empty_folder.iterdir()) == []


def test_compile_without_a_compiler_leaves_nothing(in_empty_folder, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    result = train("compute.backend=compile")
    assert result.returncode == 2
    first, second = result.stderr.splitlines()
    assert first == "error: compute.backend=compile is not allowed"
    assert second.startswith("allowed: torch")
    assert second.endswith("here: torch.compile needs a compiler, there's no g++ (or $CXX)")
    assert list(in_empty_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("cpuinfo", "emulated"),
    [
        ("model name\t: EPYC\nflags\t\t: fpu sse2 avx2 avx512f\n", True),
        ("model name\t: EPYC\nflags\t\t: fpu avx512_bf16 avx2\n", False),
        ("flags\t\t: amx_bf16 avx2\n", False),
        ("processor\t: 0\nFeatures\t: fp asimd i8mm bf16\n", False),
        ("processor\t: 0\nFeatures\t: fp asimd\n", True),
        ("a chip that tells nothing\n", False),
    ],
)
def test_whether_bf16_is_emulated(cpuinfo, emulated, tmp_path):
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert backends.bf16_is_emulated(CPU, tmp_path / "cpuinfo") is emulated
    assert not backends.bf16_is_emulated(CPU, tmp_path / "nowhere")


CONVOLUTIONS = {  # compute capability, TF32 by the environment, AMD -> cuDNN's, or PyTorch's own
    "an H100": ((9, 0), None, None, True),
    "an A100": ((8, 0), None, None, True),
    "a T4": ((7, 5), None, None, False),
    "a P100": ((6, 0), None, None, False),
    "an H100 with TF32 forbidden": ((9, 0), "0", None, False),
    "an H100 with TF32 allowed": ((9, 0), "1", None, True),
    "an MI300": ((9, 4), None, "6.3", False),
}


@pytest.mark.parametrize("gpu", CONVOLUTIONS)
def test_no_run_has_fp32_convolutions_by_cudnn(gpu, monkeypatch):
    """They aren't 0 where only zeros are seen."""
    capability, override, hip, by_cudnn = CONVOLUTIONS[gpu]
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.version, "hip", hip)
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    if override:
        monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", override)
    monkeypatch.setattr(torch.backends.cudnn, "enabled", True)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    backends.settle_convolutions(CPU)
    assert (torch.backends.cudnn.enabled, torch.backends.cudnn.deterministic) == (True, False)
    backends.settle_convolutions(CUDA)
    assert (torch.backends.cudnn.enabled, torch.backends.cudnn.deterministic) == (by_cudnn, True)


def test_agents_settle_convolutions_where_they_compute(settings_of, monkeypatch):
    asked = []
    monkeypatch.setattr(backends, "settle_convolutions", asked.append)
    settings = settings_of("attention.hidden=16")
    agent = make_agent(settings, 4, CPU)
    agent.model.requires_grad_(False)
    trained = OpenAgent(settings, agent.model, 0, "")
    TrainedAgent(trained, tuple("abcd"), Path(), CPU, 0)
    assert asked == [CPU, CPU]


@pytest.mark.usefixtures("in_empty_folder")
@pytest.mark.parametrize("emulated", [True, False])
def test_emulated_bf16_is_warned_of(emulated, monkeypatch):
    monkeypatch.setattr(backends, "bf16_is_emulated", lambda _: emulated)
    short = ["total_steps=32", "evaluation.episodes=0", "attention.hidden=16"]
    for precision in ("fp32", "bf16"):
        done = train(*short, f"compute.precision={precision}", f"name={precision}")
        lines = (done.stdout + done.stderr).splitlines()
        told = [line for line in lines if line.startswith("warning: no bf16 instructions here")]
        assert done.returncode == 0
        assert len(told) == (emulated and precision == "bf16")


def test_without_a_compiler_a_run_says_so_and_goes_on(in_empty_folder):
    env = os.environ | {"PATH": "", "XDG_CACHE_HOME": str(in_empty_folder / "cache")}
    env.pop("CXX", None)
    command = [*COMMAND, "env=Breakout", "lambda=0.005", "total_steps=32", "evaluation.episodes=0"]
    result = subprocess.run(command, capture_output=True, text=True, env=env)
    assert result.returncode == 0, result.stderr
    told = [
        line
        for line in (result.stdout + result.stderr).splitlines()
        if "PyTorch's own operators" in line
    ]
    assert len(told) == 1
    assert "no C++ compiler" in told[0]
    run = in_empty_folder / "runs/default/Breakout/lambda=0.005/seed=0"
    assert len(rows(run / "metrics.csv")) == 1
    assert '"backend": "torch"' in (run / "status.json").read_text()
