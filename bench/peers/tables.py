"""Tables of results: ours beside the best other library, and geometric means a family.

    python3 bench/peers/tables.py row.json attention.json > table.md
"""

import json
import math
import pathlib
import statistics
import sys

from libraries import LIMITS


def duration(seconds):
    for unit, size, digits in (("us", 1e-6, 1), ("ms", 1e-3, 2)):
        if seconds < 1000 * size or unit == "ms":
            return f"{seconds / size:.{digits}f} {unit}"


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


def markdown(reports):
    cells = [cell for report in reports for cell in report["cells"]]
    text, families = [], {}
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
            limit = "" if share is None else f"{100 * share:.0f} %"
            text.append(f"| {cell['cell']} | {duration(cell['medians']['ours'])} | {duration(cell['medians'][best])} | "
                        f"{best} | {shown} | {limit} |")
        text.append("")
    counts = sorted({threads for ratios in families.values() for threads in ratios})
    text += ["## Geometric means of other / ours", "",
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
    return "\n".join(text)


def geometric_mean(ratios):
    return math.exp(statistics.fmean(map(math.log, ratios)))


def load(paths):
    return [json.loads(pathlib.Path(path).read_text()) for path in paths]


if __name__ == "__main__":
    print(markdown(load(sys.argv[1:])))
