"""Shell completion: what completes a line, and that shells ask for it."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from attn_ppo import schema
from attn_ppo.config import RunConfig
from attn_ppo.launch import completion, overrides, usage
from attn_ppo.train import main

pytestmark = pytest.mark.usefixtures("in_empty_folder")
KEYS = overrides.keys()
FLAGS = ["--multirun", "--help", "--version", "--cfg", "--config-dir", "--shell-completion"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("attn-ppo-train env=Brea", ["env=Breakout"]),
        ("attn-ppo-train env=mspac", ["env=MsPacman"]),
        ("attn-ppo-train -m env=Breakout,Po", ["env=Breakout,Pong", "env=Breakout,Pooyan"]),
        ("attn-ppo-train env=Nothing", []),
        ("attn-ppo-train lam", ["lambda=", "lambda_schedule=", "lambda_start=", "lambda_warmup="]),
        ("attn-ppo-train see", ["seed="]),
        ("attn-ppo-train pp", ["ppo.", "ppo="]),
        ("attn-ppo-train ppo.g", ["ppo.gamma=", "ppo.gae_lambda="]),
        ("attn-ppo-train attention.gate=s", ["attention.gate=softmax", "attention.gate=sigmoid"]),
        (
            "attn-ppo-train -m attention.gate=softmax,",  # not one that is there already
            [f"attention.gate=softmax,{other}" for other in ("sigmoid", "uniform", "none")],
        ),
        ("attn-ppo-train compute.backend=k", ["compute.backend=kernels"]),
        (
            "attn-ppo-train ppo.clip_value_loss=",
            ["ppo.clip_value_loss=true", "ppo.clip_value_loss=false"],
        ),
        ("attn-ppo-train protocol=", ["protocol=baselines", "protocol=machado"]),
        ("attn-ppo-train ppo.gamma=", []),
        ("attn-ppo-train root=", []),
        ("attn-ppo-train unknown=", []),
        ("attn-ppo-train --m", ["--multirun"]),
        ("attn-ppo-train --", FLAGS),
        ("attn-ppo-train --cfg ", ["job", "hydra", "all"]),
        ("attn-ppo-train -sc inst", ["install=bash", "install=zsh", "install=fish"]),
        ("attn-ppo-train --config-dir ", []),
    ],
)
def test_what_completes_a_line(line, expected):
    assert completion.candidates(line) == expected


def test_an_empty_word_is_completed_by_all_keys_and_sections():
    found = completion.candidates("attn-ppo-train ")
    assert {"env=", "lambda=", "seed=", "ppo.", "attention.", "protocol=", "engine="} <= set(found)
    assert {text.partition(".")[0].rstrip("=") for text in found} == {
        key.partition(".")[0] for key in KEYS
    }
    assert len(found) == len(set(found))


def test_ones_own_options_are_completed(tmp_path):
    for folder in ("conf", "elsewhere"):
        (tmp_path / folder / "experiment").mkdir(parents=True)
        (tmp_path / folder / f"experiment/in_{folder}.yaml").write_text("# @package _global_\n")
    found = completion.candidates("attn-ppo-train experiment=")
    assert "experiment=in_conf" in found
    found = completion.candidates("attn-ppo-train --config-dir elsewhere experiment=in")
    assert found == ["experiment=in_elsewhere"]


def test_all_flags_are_completed():
    told = re.findall(r"--[a-z-]+", " ".join(usage.FLAGS))
    assert sorted(told) == sorted(completion.FLAGS) == sorted(FLAGS)


def test_names_that_keys_may_have():
    found = schema.choices(RunConfig)
    assert found.keys() == set(schema.known_keys(RunConfig))
    assert found["attention.gate"] == ("softmax", "sigmoid", "uniform", "none")
    assert found["ppo.anneal_clip_range"] == ("true", "false")
    assert found["wandb.project"] == ("null",)
    assert found["ppo.gamma"] == ()


def test_a_query_is_silent_whatever_happens(monkeypatch, capsys):
    def broken(_):
        raise RuntimeError("in the middle of a line")

    monkeypatch.setattr(completion, "candidates", broken)
    assert completion.show("query=bash") == 0
    assert capsys.readouterr() == ("", "")


def test_an_unknown_shell_is_told(capsys):
    assert main(["--shell-completion", "install=bsh"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "error: --shell-completion=install=bsh is not allowed"
    assert lines[2] == "nearest: install=bash"
    assert main(["-sc"]) == 2


def test_a_query_imports_no_torch_and_not_hydra():
    code = "from attn_ppo.launch import completion as c; c.show('query=bash'); import sys;"
    code += "print([name for name in ('torch', 'hydra', 'wandb') if name in sys.modules])"
    env = os.environ | {"COMP_LINE": "attn-ppo-train env=Pon"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout == "env=Pong\n[]\n"


def test_bash_gets_what_follows_the_last_equals_sign_and_gives_all_back(capsys):
    """`complete -p` shows it in place, and that nothing is left after the uninstall."""
    main(["-sc", "install=bash"])
    install = capsys.readouterr().out
    main(["-sc", "uninstall=bash"])
    uninstall = capsys.readouterr().out
    script = f"""
    theirs() {{ COMPREPLY=(theirs); }}
    complete -F theirs python
    {install}
    {install}
    complete -p attn-ppo-train python
    ask() {{
        COMP_LINE="$1" COMP_POINT=${{#1}} COMP_WORDS=($1) COMP_CWORD=$(set -- $1; echo $#)
        COMPREPLY=()
        $2
        echo "[${{COMPREPLY[*]}}]"
    }}
    ask "attn-ppo-train env=Breakout,Pon" _attn_ppo_complete
    ask "attn-ppo-train attention.g" _attn_ppo_complete
    ask "python -m attn_ppo.train device=" _attn_ppo_python
    ask "python -m attn_ppo.train see" _attn_ppo_python
    ask "python -m other" _attn_ppo_python
    {uninstall}
    complete -p python; complete -p attn-ppo-train
    declare -F | grep attn_ppo
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"complete .*-F _attn_ppo_complete attn-ppo-train", lines[0])
    assert re.fullmatch(r"complete .*-F _attn_ppo_python python", lines[1])
    answers = ["[Breakout,Pong]", "[attention.gate=]", "[]", "[seed=]", "[theirs]"]
    assert lines[2:] == [*answers, "complete -F theirs python"]


# How to start a shell that reads nothing of the user's.
SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
INSTALL = {
    "bash": 'eval "$({} -sc install=bash)"',
    "zsh": 'eval "$({} -sc install=zsh)"',
    "fish": "{} -sc install=fish | source",
}


def typed(shell: str, home: Path, *words: str) -> str:
    """What a terminal shows while these are typed, each once the shell has answered the last."""
    pid, terminal = pty.fork()
    if not pid:
        os.environ |= {"TERM": "dumb", "HOME": str(home), "PS1": "$ ", "COLUMNS": "500"}
        os.execvp(shell, SHELLS[shell])
    shown, end = b"", time.monotonic() + 60
    try:
        for word, awaited in zip(words[::2], words[1::2], strict=True):
            os.write(terminal, word.encode())
            begin = len(shown)
            while awaited.encode() not in shown[begin:] and time.monotonic() < end:
                if select.select([terminal], [], [], 0.2)[0]:
                    shown += os.read(terminal, 65_536)
        return shown.decode(errors="replace")
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
def test_a_real_shell_completes_as_one_types(shell, tmp_path):
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    command = f"{sys.executable} -m attn_ppo.train"
    install = INSTALL[shell].format(command) + "; echo instal''led\n"
    for line, whole in {
        "attn-ppo-train env=Breako\t": "env=Breakout",
        "attn-ppo-train -m env=Breakout,Pon\t": "env=Breakout,Pong",
        "python -m attn_ppo.train attention.ga\t": "attention.gate=",
    }.items():
        shown = typed(shell, tmp_path, install, "\ninstalled", line, whole)
        assert whole in shown.partition("\ninstalled")[2], shown
