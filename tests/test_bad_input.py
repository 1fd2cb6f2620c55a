"""Every kind of mistake on the command line: the message, and that nothing is left behind."""

from pathlib import Path

import pytest
from dry_run import check_refused

from attn_ppo.errors import ConfigError

pytest_plugins = "dry_run"
ROOT = Path(__file__).parent.parent

# What is asked, and what of the message must be there: the key with the value, the nearest name.
MISTAKES = {
    # games
    "env=Brekout": ["env=Brekout", "nearest: Breakout"],
    "env=ALE/Breakout-v5": ["env=ALE/Breakout-v5", "nearest: Breakout"],
    "env=PongNoFrameskip-v4": ["nearest: Pong"],
    "env=space_invader": ["nearest: SpaceInvaders"],
    "env=CartPole-v1": ["env=CartPole-v1", "single-player game"],
    "env=Combat": ["env=Combat", "single-player game"],
    "env=Joust": ["env=Joust", "single-player game"],
    "env=Warlords": ["env=Warlords", "single-player game"],
    "env=MazeCraze": ["env=MazeCraze", "single-player game"],
    "env=": ["env=", "single-player game"],
    "env": ["env", "key=value", "nearest: env"],
    "env=[Pong]": ["env=['Pong']"],
    "env=Breakout,Pong": ["env=Breakout,Pong has several values", "add -m"],
    # keys
    "sed=0": ["sed=0 has an unknown key", "nearest: seed"],
    "ppo.lr=1": ["ppo.lr=1 has an unknown key", "nearest: ppo.learning_rate"],
    "SEED=0": ["SEED=0", "nearest: seed"],
    "lamda=1": ["lamda=1", "nearest: lambda"],
    "gate=none": ["gate=none", "nearest: attention.gate"],
    "learning_rate=1": ["nearest: ppo.learning_rate"],
    "ppo.clip_rang=1": ["ppo.clip_rang=1", "nearest: ppo.clip_range"],
    "attention=softmax": ["attention=softmax", "attention.gate"],
    "se\ned=\x1b[31m0": ["se?ed=?[31m0", "nearest: seed"],
    "+foo=1": ["+foo=1", "added (+)"],
    "+seed=1": ["+seed=1", "nearest: seed"],
    "~seed": ["~seed", "removed (~)", "nearest: seed"],
    "seed@x=1": ["seed@x=1", "nearest: seed"],
    "=1": ["=1", "key=value"],
    "": ["an empty argument", "key=value"],
    "Breakout": ["Breakout is not of the form key=value", "such as env=Pong"],
    # numbers
    "lambda=abc": ["lambda=abc", "a number from 0 to 1,000"],
    "lambda=-1": ["lambda=-1", "from 0 to 1,000"],
    "lambda=nan": ["lambda=nan"],
    "lambda=inf": ["lambda=inf"],
    "lambda=1e400": ["lambda=inf"],
    "lambda=1e-13": ["lambda=1e-13", "0, or from 1e-12"],
    "lambda=true": ["lambda=True"],
    "lambda=null": ["lambda=None"],
    "lambda=[1,2]": ["lambda=[1, 2]"],
    "lambda={a:1}": ["lambda="],
    "lambda=": ["lambda="],
    "lambda=0,1": ["lambda=0,1", "add -m"],
    "ppo.clip_range=nan": ["ppo.clip_range=nan", "above 0"],
    "ppo.num_envs=0": ["ppo.num_envs=0", "from 1 to 1,024"],
    "ppo.num_envs=1.5": ["ppo.num_envs=1.5", "whole"],
    "ppo.num_minibatches=3": ["ppo.num_minibatches=3", "divisor", "1,024"],
    "ppo.num_minibatches=1024": ["ppo.num_minibatches=1024", "at least 2"],
    "seed=-1": ["seed=-1"],
    "seed=None": ["seed=None"],
    "seed=0.5": ["seed=0.5", "whole"],
    "seed='\N{ARABIC-INDIC DIGIT THREE}'": ["seed=\N{ARABIC-INDIC DIGIT THREE}"],
    "seed=" + "9" * 4999: ["seed=999", "grammar"],
    "seed=" + "[" * 4999: ["seed=[[[", "... is too long", "100 brackets"],
    "seed=" + "1," * 4999: ["seed=1,1,", "range(0,100)"],
    "diversity=-1": ["diversity=-1", "from 0 to 1,000"],
    "diversity=1e-13": ["diversity=1e-13", "0, or from 1e-12"],
    "lambda_start=1000": ["lambda_start=1000", "0 with lambda_schedule=constant; or linear"],
    "lambda_warmup=1000": ["lambda_warmup=1000", "0 with lambda_schedule=constant; or linear"],
    "lambda_schedule=linear": ["lambda_warmup=0", "at least 1 with lambda_schedule=linear"],
    "regularizer.target=3": ["regularizer.target=3", "null; a target goes with"],
    "regularizer.target=251": ["regularizer.target=251", "a number from 0 to 250"],
    "regularizer.name=target_entropy": [
        "regularizer.target=null",
        "from 0 to 7.7836 nats, the entropy of 2 even maps",
    ],
    "total_steps=100": [
        "total_steps=100 is less than one update",
        "at least 1,024, ppo.num_envs=8 times ppo.num_steps=128",
    ],
    "total_steps=1e99": ["total_steps="],
    # choices
    "ppo.clip_value_loss=1": ["ppo.clip_value_loss=1", "true or false"],
    "attention.gate=softmx": ["attention.gate=softmx", "nearest: softmax"],
    "wandb.mode=of": ["wandb.mode=of", "nearest: offline"],
    "compute.backend=cuda": ["compute.backend=cuda", "auto, kernels, torch, compile"],
    "lambda_schedule=lin": ["lambda_schedule=lin", "constant, linear", "nearest: linear"],
    "regularizer=entropie": ["regularizer=entropie", "nearest: entropy"],
    "regularizer.name=target": ["regularizer.name=target", "nearest: target_entropy"],
    "device=gpu": ["device=gpu", "cuda:N"],
    "device=cuda:99": ["device=cuda:99 is not on this machine", "what this machine has: auto, cpu"],
    "device=cuda:200": ["device=cuda:200"],
    "device=cuda:007": ["device=cuda:007", "cuda or cuda:N"],
    "experiment=paper": ["experiment=paper is a sweep, not one run", "add -m"],
    "experiment=papr": ["experiment=papr", "nearest: paper"],
    "experiment=null": ["experiment=None", "paper, quick, search, smoke"],
    "protocol=machdo": ["protocol=machdo", "nearest: machado"],
    "protocol=glob(*)": ["protocol=", "one value; several make a sweep"],
    "protocol=glob(x*)": ["protocol=glob(x*) matches none", "baselines, machado"],
    "engine=slurmm": ["engine=slurmm"],
    "engine=slurm": ["engine=slurm", "local or serial without -m"],
    "ppo=3": ["ppo=3", "annealed_clip, study"],
    # text
    "wandb.tags=x": ["wandb.tags=x", "list"],
    "wandb.tags=['']": ["wandb.tags=", "tags of 1 to 64 characters"],
    "wandb.tags=[1e5]": ["wandb.tags=[1e5]", "reads as 100000.0, quote it"],
    "wandb.tags=[a,true]": ["wandb.tags=[a,true]", "reads as True, quote it"],
    "wandb.project=a:b": ["wandb.project=a:b", "none of"],
    "wandb.project=" + "a" * 129: ["wandb.project=aaa", "up to 128"],
    "name=../x": ["name=../x"],
    "name=..": ["name=.."],
    "name=a/b": ["name=a/b"],
    "name=": ["name="],
    "name='<script>'": ["name=<script>"],
    "name='a\nb'": ["name=a?b"],
    "name=1e7": ["name=1e7", "reads as 10000000.0, quote it"],
    "name=2026_01_15": ["name=2026_01_15", "reads as 20260115, quote it"],
    "name=" + "a" * 65: ["name=aaa", "up to 64"],
    # grammar and interpolation
    "name=${oc.env:WANDB_API_KEY}": ["name=${...}", "that of another key"],
    r"name=$\{oc.env:WANDB_API_KEY\}": ["name=${...}", "that of another key"],
    "wandb.tags=['${oc.env:WANDB_API_KEY}']": ["wandb.tags=['${...}", "that of another key"],
    "seed=???": ["seed=???"],
    "seed=0)": ["seed=0) can't be parsed", "quote"],
    "seed=1'": ["seed=1'", "quote"],
    "seed==1": ["seed==1"],
    "lambda=[range(0,1)]": ["lambda=[range(0,1)]"],
    # Hydra's own keys
    "hydra=1": ["hydra=1"],
    "hydra.foo=1": ["hydra.foo=1", "engine= picks the launcher"],
    "hydra.sweep.dir=../x": ["hydra.sweep.dir=../x", "name= the folder"],
    "hydra.run.dir=/tmp/x": ["hydra.run.dir=/tmp/x"],
    "hydra.job.env_copy=[WANDB_API_KEY]": ["hydra.job.env_copy=[WANDB_API_KEY]"],
    "hydra.sweeper._target_=os.system": ["hydra.sweeper._target_=os.system"],
    "hydra/launcher=basic": ["hydra/launcher=basic", "engine="],
    "hydra.launcher._target_=os.system": ["hydra.launcher._target_=os.system", "n_jobs"],
    "+hydra.launcher._target_=os.system": ["+hydra.launcher._target_=os.system"],
    "hydra.launcher.n_job=2": ["n_job=2", "engine=local", "nearest: hydra.launcher.n_jobs"],
    "hydra.launcher.n_jobs=0": ["hydra.launcher.n_jobs=0", "from 1 to 1,024, or -1"],
    "hydra.launcher.n_jobs=1.5": ["hydra.launcher.n_jobs=1.5"],
    "hydra.launcher.n_jobs=true": ["hydra.launcher.n_jobs=true"],
    "hydra.launcher.n_jobs=100000": ["hydra.launcher.n_jobs=100000"],
    "hydra.launcher.pre_dispatch=all": ["hydra.launcher.pre_dispatch=all"],
    # flags
    "--lamda": ["--lamda is not a flag", "nearest: lambda"],
    "--env=Pong": ["--env=Pong", "nearest: env"],
    "--multi-run": ["--multi-run", "nearest: --multirun"],
    "--mul": ["--mul"],
    "--config-dir=x": ["--config-dir=x isn't a folder", "experiment/"],
    "root=nowhere/runs": ["root=nowhere/runs can't be made", "no folder nowhere"],
    "axes=[seed]": ["axes=seed", "attention.gate"],
    "axes=seed": ["axes=seed", "a list"],
    "name=a-${nam}": ["name=a-${...}", "that of another key"],
    "name=${name}": ["name=${name}", "in a circle"],
    "-cn": ["--cfg=n"],
    "--cfg": ["--cfg=", "job, hydra, all"],
    "--cfg=jb": ["--cfg=jb", "nearest: job"],
}


@pytest.mark.parametrize("argument", MISTAKES, ids=lambda a: ascii(a[:50])[1:-1])
def test_a_mistake_is_reported_in_three_lines(argument, dry_run):
    outcome = dry_run(argument)
    check_refused(outcome)
    for part in MISTAKES[argument]:
        assert part in "\n".join(outcome.err)


MISTAKES_TOGETHER = {
    "-m lambda=interval(0,1)": ["lambda=interval(0,1)"],
    "-m env=glob(B*)": ["env=glob(B*)", "a glob only of a group"],
    "-m hydra/sweeper=basik": ["hydra/sweeper=basik", "basic", "nearest: basic"],
    "-m seed=range(3,3)": ["seed=range(3,3)", "at least one value"],
    "-m seed=range(0,3,0)": ["seed=range(0,3,0)", "range(start,stop,step)"],
    "-m lambda=range(0,inf)": ["lambda=range(0,inf)"],
    "-m lambda=range(nan,1)": ["lambda=range(nan,1)"],
    "-m lambda=choice(choice(0,1),2)": ["lambda=choice("],
    "-m lambda=0,0.0": ["runs/default/Breakout/lambda=0/seed=0 comes twice", "each run once"],
    "-m seed=0,0": ["runs/default/Breakout/lambda=0/seed=0 comes twice", "each run once"],
    "-m ppo=annealed_clip,study ppo.clip_range=0.2 ppo.anneal_clip_range=false": [
        "runs/default/Breakout/ppo=study/lambda=0/seed=0 has all settings of runs/default/Break",
        "each run once",
    ],
    "-m compute.threads=1,2": [
        "runs/default/Breakout/lambda=0/seed=0 would be shared by runs that differ in compute.t",
        "a name= for each value of compute.threads",
    ],
    "-m seed=range(10001)": ["seed=range(10001) gives 10,001 runs", "at most 10,000"],
    "-m seed=range(10000000)": ["seed=range(10000000)", "10,000,000"],
    "-m seed=shuffle(range(100000000))": ["100,000,000"],
    "-m lambda=range(0,1,1e-9)": ["lambda=range(0,1,1e-9)", "1,000,000,000"],
    "-m env=Pong,Qbert lambda=range(100) seed=range(100)": ["env=Pong,Qbert", "20,000"],
    "-m experiment=paper seed=range(1000)": ["seed=range(1000)", "36,000"],  # 6 games x 6 lambdas
    "-m experiment=paper seed=": ["seed="],
    "-m experiment=quick,smoke": ["experiment=quick,smoke", "one of", "whole sweep"],
    "-m engine=local,serial": ["engine=local,serial", "one of", "whole sweep"],
    "-m hydra.launcher.n_jobs=1,2": ["hydra.launcher.n_jobs=1,2", "one value"],
    "-m device=cuda:99 seed=0,1": ["device=cuda:99", "this machine has"],
    "-m device=cuda:99 engine=serial": ["device=cuda:99"],
    "-m env=Pong,Brekout seed=0,1": ["env=Brekout", "nearest: Breakout"],
    "-m ppo.num_minibatches=4,3": ["ppo.num_minibatches=3"],
    "engine=serial hydra.launcher.n_jobs=2": ["n_jobs=2", "engine=serial", "nothing"],
    "protocol=machado protocol=baselines": ["protocol=baselines", "protocol=machado"],
    "attention.gate=none lambda=0.1": ["lambda=0.1", "attention.gate=none"],
    "attention.gate=none diversity=1": ["diversity=1", "0 with attention.gate=none"],
    "attention.maps=1 diversity=1": ["diversity=1", "0 with attention.maps=1", "to overlap with"],
    "regularizer=target_entropy attention.gate=none": [
        "regularizer.name=target_entropy",
        "entropy with attention.gate=none",
    ],
    "regularizer=target_entropy attention.maps=1": [
        "regularizer.target=4",
        "from 0 to 3.8918 nats, the entropy of 1 even map",
    ],
    "regularizer=target_entropy regularizer.target=7.79": ["regularizer.target=7.79", "7.7836"],
    "regularizer=target_entropy regularizer.target=-1": ["regularizer.target=-1"],
    "lambda_schedule=linear lambda_warmup=1 lambda_start=3072 total_steps=4096": [
        "lambda_start=3072",
        "less than 3,072, where the last update of this run begins",
    ],
    "lambda_schedule=linear lambda_warmup=1 total_steps=1024": [
        "lambda_schedule=linear",
        "constant in a run of one update",
    ],
    "compute.backend=kernels compute.precision=bf16": ["compute.precision=bf16"],
    "lambda 0.5": ["lambda", "key=value"],
    "--lambda 0.5": ["--lambda", "nearest: lambda"],
    "--cfg job seed=0,1": ["seed=0,1", "--cfg"],
    "--cfg job seed=x": ["seed=x"],
    "--cfg job -p ppo": ["-p"],
}


@pytest.mark.parametrize("line", MISTAKES_TOGETHER)
def test_mistakes_of_several_arguments(line, dry_run):
    outcome = dry_run(*line.split())
    check_refused(outcome)
    for part in MISTAKES_TOGETHER[line]:
        assert part in "\n".join(outcome.err)


def test_no_line_of_a_message_is_endless():
    printed = str(ConfigError("k" * 999, "v" * 999, "a\n" * 999, "seed")).split("\n")
    assert [len(line) for line in printed] == [7 + 80 + 1 + 80 + 15, 9 + 500, 13]
