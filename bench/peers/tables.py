"""Tables of results: ours beside the best other library, and geometric means a family.

    python3 bench/peers/tables.py        writes those of the pages in bench/results anew, each from a folder of runs
"""

import json
import math
import pathlib
import statistics

from cells import all_cells
from libraries import LIMITS

RESULTS = pathlib.Path(__file__).parents[1] / "results"
MARK = "<!-- What follows is written by bench/peers/tables.py. -->\n"
PAGES = {"PEERS.md": "peers", "PEERS-avx2.md": "peers/avx2"}  # one a machine


def duration(seconds):
    return f"{seconds * 1e6:.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


def compared(cell):
    """(best other library, how many times ours is faster: the median over the rounds, share of the limit or None)."""
    medians = {name: m for name, m in cell["medians"].items() if name not in LIMITS and name != "ours"}
    if "ours" not in cell["medians"] or not medians:
        return None
    samples, best = cell["samples"], min(medians, key=medians.get)
    ratio = statistics.median(b / o for b, o in zip(samples[best], samples["ours"]))
    limits = [samples[name] for name in LIMITS if name in samples]
    share = statistics.median(min(rest) / o for o, *rest in zip(samples["ours"], *limits)) if limits else None
    return best, ratio, share


def markdown(cells):
    families, behind, text = {}, {}, []
    for threads in sorted({cell["threads"] for cell in cells}):
        text += [f"## {threads} thread" + "s" * (threads > 1), "",
                 "| cell | ours | best other | | other / ours | of the limit |", "|---|---|---|---|---|---|"]
        for cell in cells:
            row = compared(cell)
            if row is None or cell["threads"] != threads:
                continue
            best, ratio, share = row
            families.setdefault(cell["family"], {}).setdefault(threads, []).append(ratio)
            shown = f"{ratio:.2f}" if ratio >= 1 else f"**{ratio:.2f}**"
            if ratio < 1:
                behind.setdefault(threads, []).append(f"{cell['cell']} {ratio:.2f}")
            limit = "" if share is None else f"{100 * share:.0f} %"
            text.append(f"| {cell['cell']} | {duration(cell['medians']['ours'])} | {duration(cell['medians'][best])} | "
                        f"{best} | {shown} | {limit} |")
        text.append("")
    head = [f"Behind on {threads} thread{'s' * (threads > 1)}: {', '.join(names)}.\n"
            for threads, names in behind.items()]
    return "\n".join(head + means(families) + text)


def means(families):
    counts = sorted({threads for ratios in families.values() for threads in ratios})
    text = ["## Geometric means of other / ours", "",
            "| family | " + " | ".join(f"{n} thread{'s' * (n > 1)} | cells, behind" for n in counts) + " |",
            "|---|" + "---|---|" * len(counts)]
    is_attention = lambda family: family.startswith(("attention", "decode"))
    rows = [(family, [family]) for family in families]
    rows += [("**all row operators**", [family for family in families if not is_attention(family)]),
             ("**all of attention**", [family for family in families if is_attention(family)])]
    for name, members in rows:
        columns = []
        for n in counts:
            ratios = [ratio for family in members for ratio in families[family].get(n, [])]
            behind = sum(ratio < 1 for ratio in ratios)
            mean = f"{geometric_mean(ratios):.2f}" if ratios else ""
            columns.append(f"{mean} | {len(ratios)}, {behind}")
        text.append(f"| {name} | " + " | ".join(columns) + " |")
    return text + [""]


def geometric_mean(ratios):
    return math.exp(statistics.fmean(map(math.log, ratios)))


def load(folder):
    """All runs of a folder as one: samples of a cell that was measured several times are taken together."""
    merged, cells = {"libraries": {}}, {}
    for path in sorted(folder.glob("*.json")):
        report = json.loads(path.read_text())
        libraries = merged["libraries"] | report["libraries"]
        merged |= report | {"libraries": libraries}
        for cell in report["cells"]:
            kept = cells.setdefault((cell["cell"], cell["threads"]), cell)
            if kept is not cell:
                for name in kept["samples"].keys() & cell["samples"].keys():
                    kept["samples"][name] += cell["samples"][name]
                    kept["medians"][name] = statistics.median(kept["samples"][name])
    places = {cell.name: place for place, cell in enumerate(all_cells())}
    return merged | {"cells": sorted(cells.values(), key=lambda cell: places[cell["cell"]])}


if __name__ == "__main__":
    for name, folder in PAGES.items():
        page = RESULTS / name
        page.write_text(page.read_text().partition(MARK)[0] + MARK + "\n" + markdown(load(RESULTS / folder)["cells"]))
