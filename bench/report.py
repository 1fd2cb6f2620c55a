"""The results as text."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench import busy
from bench.contenders import CONTENDERS, MINIBATCH, NUM_ENVS, NUM_EPOCHS, NUM_STEPS
from bench.pace import PARTS, Spread

WORK = f"{NUM_ENVS} games x {NUM_STEPS} steps, {NUM_EPOCHS} epochs of minibatches of {MINIBATCH}"


def text(results: Mapping[str, Any]) -> str:
    """Everything that was measured, to be read on a terminal."""
    machine = results["machine"]
    heading = [
        f"{results['game']}: {WORK}",
        f"{machine['cpu']}, {machine['cores']} cores; {results['threads']} threads each",
        "",
    ]
    lines = [*heading, *_rates(results), ""]
    if results["contenders"]:
        lines += [*_contenders(results), ""]
    lines += [f"{CONTENDERS[key].label}: {why}" for key, why in results["lost"].items()]
    return "\n".join([*lines, *_scaling(results["scaling"])]).rstrip()


def _rates(results: Mapping[str, Any]) -> list[str]:
    """The machine at its best, and the floor."""
    lines = []
    for threads, rates in results["gemm_gflops"].items():
        for dtype, shapes in rates.items():
            shape = max(shapes, key=lambda name: shapes[name])
            lines.append(
                f"matrix product, {dtype}, {threads} threads: "
                f"{shapes[shape]:.0f} GFLOP/s at best ({shape})"
            )
    for threads, seconds in results["emulator_seconds"].items():
        lines.append(f"emulator, {threads} threads: {1 / seconds:,.0f} agent steps/s")
    for gate, floor in results["floor_seconds"].items():
        million = results["flops_per_agent_step"][gate] / 1e6
        lines.append(
            f"floor, attention {gate}: {1e3 * floor:.2f} ms an agent step, "
            f"{1 / floor:,.0f} steps/s ({million:.0f} MFLOP)"
        )
    return lines


def _contenders(results: Mapping[str, Any]) -> list[str]:
    """A row a contender, the fastest first."""
    contenders, against = results["contenders"], CONTENDERS[results["against"]].label
    header = [
        "",
        "s/iteration",
        "steps/s",
        *(f"{part} ms" for part in PARTS),
        f"x {against}",
        "% of floor rate",
    ]
    rows = [header]
    for row in sorted(contenders.values(), key=lambda row: -row["agent_steps_per_second"]):
        speedup = Spread(**row["speedup"]) if row["speedup"] else "-"
        rows.append(
            [
                row["label"],
                str(Spread(**row["seconds_per_iteration"])),
                f"{row['agent_steps_per_second']:,.0f}",
                *(f"{row['ms_per_agent_step'][part]:.2f}" for part in PARTS),
                str(speedup),
                f"{row['percent_of_floor_rate']:.0f}",
            ]
        )
    rounds = len(next(iter(contenders.values()))["rounds"])
    note = f"{rounds} rounds, interleaved; median (min..max) over rounds; parts in ms an agent step"
    return [*_columns(rows), note]


def _scaling(scaling: Mapping[str, Any]) -> list[str]:
    """A line a question."""
    lines = []
    for key, what in (
        ("collecting", "ms an agent step by number of environments"),
        ("updating", "ms a sample and epoch by minibatch"),
    ):
        if key in scaling:
            numbers = "  ".join(f"{size}: {ms:.3f}" for size, ms in scaling[key].items())
            lines.append(f"{key}, {what}:  {numbers}")
    for key, rates in scaling.get("concurrent", {}).items():
        numbers = "  ".join(f"{count}: {rate:,.0f}" for count, rate in rates.items())
        label = CONTENDERS[key].label
        lines.append(f"{label}, one-thread runs at once, steps/s of all together:  {numbers}")
    lines += busy.lines(scaling.get("busy", {}))
    if "overhead" in scaling:
        cost = scaling["overhead"]
        share = cost.get("percent_of_iteration")
        lines.append(
            f"rows and checkpoints: {cost['ms_per_update']:.1f} ms an update"
            + (f", {share:.2f} % of an iteration" if share is not None else "")
            + f" (a row {cost['row_ms']:.1f} ms, a checkpoint {cost['save_ms']:.0f} ms"
            f" every {cost['every_updates']} updates)"
        )
    return lines


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    ]
