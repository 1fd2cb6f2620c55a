"""ROMs and W&B."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from attn_ppo.atari import games
from attn_ppo.diagnosis.finding import BAD, OK, WARN, Finding, pip_install
from attn_ppo.errors import ConfigError
from attn_ppo.lifecycle import wandb_session
from attn_ppo.lifecycle.timeout import call_with_timeout

SECONDS = 5.0  # that W&B may take


def roms(_: Path) -> Finding:
    """The ROMs of all games."""
    known = games.known()
    missing = dict[str, str]()
    for game in known:
        try:
            games.rom_path(game)
        except ConfigError as error:
            missing[game] = error.wrong
    folder = os.environ.get("ALE_ROMS_DIR", "")
    facts = {"games": len(known), "missing": list(missing), "folder": folder or None}
    if not missing:
        where = f"in {folder}" if folder else "ale-py's own"
        return Finding(OK, f"{len(known)} games, {where}", facts=facts)
    shown = ", ".join([*list(missing)[:3], *(["..."] if len(missing) > 3 else [])])
    told = (
        f"{len(missing)} of {len(known)} games have none ({shown}): {next(iter(missing.values()))}"
    )
    mend = "unset ALE_ROMS_DIR" if folder else pip_install("--force-reinstall --no-deps ale-py")
    return Finding(BAD if len(missing) == len(known) else WARN, told, mend, facts)


def wandb(_: Path) -> Finding:
    """Whether a run would be online on W&B. Takes SECONDS at most, and prints no key."""
    try:
        found = call_with_timeout(SECONDS, wandb_session.standing)
    except ImportError:
        return Finding(WARN, "not installed", pip_install("wandb"), {"installed": False})
    except TimeoutError:
        told = f"W&B took longer than {SECONDS:g} s to say how it is: runs may be recorded offline"
        return Finding(WARN, told, "python -m attn_ppo.doctor, again", {"installed": True})
    facts = {"installed": True, **found._asdict()}
    if found.mode:
        return Finding(OK, f"{found.mode}, as its own settings ask", facts=facts)
    login = (
        f"{'wandb' if shutil.which('wandb') else f'{shlex.quote(sys.executable)} -m wandb'} login"
    )
    told = "logged in" if found.logged_in else "nobody is logged in"
    if not found.no_answer:
        told += " and the server answers" if found.logged_in else ", though the server answers"
        if found.logged_in:
            return Finding(OK, told, facts=facts)
        return Finding(WARN, f"{told}: runs are recorded offline", login, facts)
    mend = "your network, its proxy or WANDB_BASE_URL" if found.logged_in else login
    return Finding(WARN, f"{told}, and {found.no_answer}: runs are recorded offline", mend, facts)
