"""Draws the pictures of bench/results/pictures, light and dark, from what bench/results holds:

    python3 bench/peers/pictures.py
"""

import collections
import json
import math

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

import tables
from cells import READS_WRITES
from libraries import LIBRARIES, LIMITS
from tables import RESULTS

THEMES = {
    "light": dict(paper="#ffffff", ink="#1f2328", faint="#d1d9e0"),
    "dark": dict(paper="#0d1117", ink="#e6edf3", faint="#3d444d"),
}
# After Okabe and Ito: told apart by colour-blind readers; the same in both themes, bright enough for either paper.
COLOURS = ["#2a88c8", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c8c8c"]
# Ending of a picture's name -> where the samples are, and what the machine has. Widths and scaling are of the last one.
MACHINES = {"": ("peers", "AVX-512"), "-avx2": ("peers/avx2", "AVX2")}
# Operations an element by the equations, an exponential counted as 20.
OPERATIONS = {"layerNorm": 8, "rmsNorm": 4, "residualLayerNorm": 9, "residualRMSNorm": 5, "layerNormBackward": 16,
              "softmax": 24, "maskedSoftmax": 26, "softmaxBackward": 4}
GROUPS = {  # bars of a picture: title -> families
    "LayerNorm": ("layerNorm f32",), "RMSNorm": ("rmsNorm f32",),
    "residual sum and norm": ("residualLayerNorm f32", "residualRMSNorm f32"),
    "LayerNorm backward": ("layerNormBackward f32",), "softmax": ("softmax f32", "maskedSoftmax f32"),
    "softmax backward": ("softmaxBackward f32",),
    "norms, 16-bit": ("layerNorm bf16", "layerNorm f16", "rmsNorm bf16", "residualLayerNorm bf16"),
    "softmax, 16-bit": ("softmax bf16", "softmax f16"), "attention": ("attention f32",),
    "attention, bfloat16": ("attention bf16",), "attention backward": ("attentionBackward f32",),
    "attention backward, bfloat16": ("attentionBackward bf16",), "decode": ("decode f32",),
    "decode, bfloat16": ("decode bf16",),
}


def speedups(axes, theme, data):
    """How many times faster than each library, on one thread: geometric means."""
    ratios = collections.defaultdict(list)
    for cell in data["cells"]:
        if cell["threads"] == 1 and "ours" in cell["medians"]:
            for name, median in cell["medians"].items():
                ratios[cell["family"], name].append(median / cell["medians"]["ours"])
    others = [name for name in LIBRARIES if name != "ours" and name not in LIMITS]
    colours = dict(zip(others, COLOURS))
    place, ticks = 0.0, []
    for title, families in GROUPS.items():
        bars = [(name, [r for family in families for r in ratios[family, name]]) for name in others]
        bars = [(name, tables.geometric_mean(values)) for name, values in bars if values]
        ticks.append((place + (len(bars) - 1) / 2, title))
        for name, mean in bars:
            axes.barh(place, mean - 1, left=1, color=colours[name], height=0.85)
            text = f"{mean:.2f}" if mean < 10 else f"{mean:.0f}"
            axes.text(max(mean, 1) * 1.04, place, text, va="center", fontsize=7, color=theme["ink"])
            place += 1
        place += 0.8
    axes.set_xscale("log")
    axes.set_xlim(0.4, 50)
    axes.set_ylim(-1, place)
    axes.set_xticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"])
    axes.axvline(1, color=theme["ink"], linewidth=1)
    axes.set_yticks(*zip(*ticks))
    axes.invert_yaxis()
    axes.set_xlabel("its time / our time (right of 1: ours is faster)")
    axes.grid(axis="y", visible=False)
    patches = [plt.Rectangle((0, 0), 1, 1, color=colours[name]) for name in others]
    version = lambda name: data["libraries"][name].split("+")[0]
    axes.legend(patches, [name if name[-1].isdigit() else f"{name} {version(name)}" for name in others], loc="lower right")


def roofline(axes, theme, data):
    """Every cell of one thread and float32: work for each byte, and what is reached of it."""
    cells = [c for c in data["cells"] if c["threads"] == 1 and c["family"].endswith(" f32") and "ours" in c["medians"]]
    rate = lambda c: c["bytes"] / min(c["medians"][name] for name in LIMITS if name in c["medians"]) * 1e-9
    rows = [c for c in cells if c["multiplyAdds"] == 0]
    memory = max(rate(c) for c in rows if c["bytes"] >= 64 << 20)
    third = max(rate(c) for c in rows if 3 << 20 <= c["bytes"] < 16 << 20 and not c["cell"].endswith("cold"))
    heavy = [c for c in cells if c["multiplyAdds"] and not c["family"].startswith("decode")]
    peak = max(2e-9 * c["multiplyAdds"] / c["medians"]["copy"] for c in heavy)
    low, high = 0.2, 1000
    for roof, name in ((memory, "memory"), (third, "third cache level")):
        axes.plot([low, peak / roof, high], [low * roof, peak, peak], color=theme["ink"], linewidth=1)
        axes.text(low * 1.08, low * roof * 1.12, f"{name} {roof:.0f} GB/s", rotation=math.degrees(math.atan(0.86)),
                  rotation_mode="anchor", fontsize=8, color=theme["ink"])
    axes.text(high / 1.1, peak * 1.06, f"fused multiply-adds {peak:.0f} GFLOP/s", ha="right", fontsize=8,
              color=theme["ink"])
    kinds = collections.defaultdict(list)
    for c in cells:
        operator = c["family"].split()[0]
        elements = c["bytes"] / 4 / sum(READS_WRITES[operator]) if c["multiplyAdds"] == 0 else 0
        operations = 2 * c["multiplyAdds"] or OPERATIONS[operator] * elements
        if operations > 2e4:  # a call of the smallest costs more than its work
            kinds[operator].append((operations / c["bytes"], operations / c["medians"]["ours"] * 1e-9))
    markers = "osD^vPX*<>"
    for k, (operator, points) in enumerate(kinds.items()):
        axes.scatter(*zip(*points), s=26, marker=markers[k % len(markers)], color=COLOURS[k % len(COLOURS)],
                     label=operator, zorder=3, linewidths=0.4, edgecolors=theme["paper"])
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(1, 300)
    axes.set_xlabel("operations for each byte that must be moved")
    axes.set_ylabel("GFLOP/s")
    axes.legend(loc="lower right", ncols=2)


def widths(axes, theme, source):
    """Time an element of 64 rows over their width; where rows in and out fill a cache level is marked."""
    sweep, caches = source
    lines = collections.defaultdict(list)
    for row in sweep["rows"]:
        operation, direction, shape, *cold = row["cell"].split()
        rows, columns = map(int, shape.split("x"))
        if rows == 64 and row["threads"] == 1 and not row["candidate"].startswith("portable"):
            lines[operation, bool(cold)].append((columns, row["timing"]["median"] * 1e9 / (rows * columns)))
    names = sorted({operation for operation, _ in lines})
    lowest = 0.0  # where a line's name may stand, above the one before
    for (operation, cold), points in sorted(lines.items(), key=lambda line: max(line[1])[1]):
        colour, points = COLOURS[names.index(operation)], sorted(points)
        axes.plot(*zip(*points), marker="o", markersize=4, color=colour, linestyle="--" if cold else "-")
        lowest = max(points[-1][1], 1.16 * lowest)
        axes.text(points[-1][0] * 1.25, lowest, operation + ", cold" * cold, va="center", color=colour)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    ticks = [16, 64, 256, 1024, 4096, 16384, 65536]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:.0e}"[0] in "25" else "")
    for name, size in caches.items():
        width = size / (2 * 64 * 4)
        axes.axvline(width, color=theme["faint"], linewidth=1)
        axes.text(width / 1.06, 0.985, f"fills {name}", rotation=90, va="top", ha="right", fontsize=8,
                  color=theme["ink"], transform=axes.get_xaxis_transform())
    axes.set_xlabel("width of a row (64 rows of float32, one thread)")
    axes.set_ylabel("ns for each element")
    axes.set_xlim(12, 1 << 19)


def scaling(axes, theme, lines):
    """How many times faster on more threads than on one."""
    times = collections.defaultdict(dict)
    for line in lines:
        name, threads, microseconds = line.split("\t")
        times[name][int(threads)] = float(microseconds)
    most = max(max(counts) for counts in times.values())
    height = 0.8 / max(1, most - 1)
    for place, (name, counts) in enumerate(times.items()):
        for threads in range(2, most + 1):
            ratio = counts[1] / counts[threads]
            y = place + (threads - 2) * height - 0.4 + height / 2
            axes.barh(y, ratio, height=height * 0.9, color=COLOURS[(threads - 2) % len(COLOURS)],
                      label=f"{threads} threads" if place == 0 else None)
            axes.text(ratio + 0.01 * most, y, f"{ratio:.2f}", va="center", fontsize=8, color=theme["ink"])
    axes.set_yticks(range(len(times)), times)
    axes.invert_yaxis()
    axes.set_xlim(0, most * 1.08)
    axes.axvline(1, color=theme["ink"], linewidth=1)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("time on one thread / time")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1))


def main():
    sweep = json.loads((RESULTS / "sweep.json").read_text())
    lines = (RESULTS / "scaling.tsv").read_text().splitlines()
    pictures = {}
    for name, (folder, instructions) in MACHINES.items():
        data = tables.load(RESULTS / folder)
        where = f"{data['machine']}, {instructions}, {data['date'][:10]}"
        pictures[f"speedups{name}"] = (speedups, data, (8, 9), "CKernels beside other libraries, one thread", where)
        pictures[f"roofline{name}"] = (
            roofline, data, (8, 5), "Every operator under the machine's roof, float32, one thread", where)
    where = f"{sweep['machine']}, {sweep['date'][:10]}"
    pictures["widths"] = (
        widths, (sweep, data["caches"]), (8, 4.5), "Time for each element over the width of a row", where)
    where = f"{lines[0][2:]}, AVX2, {lines[1].split()[-1][:10]}"
    counts = [line for line in lines if not line.startswith("#")]
    pictures["scaling"] = (scaling, counts, (8, 3.5), "Scaling over threads", where)
    (RESULTS / "pictures").mkdir(exist_ok=True)
    for name, (draw, source, size, title, where) in pictures.items():
        for kind, theme in THEMES.items():
            style = {
                "figure.facecolor": theme["paper"], "axes.facecolor": theme["paper"], "text.color": theme["ink"],
                "axes.labelcolor": theme["ink"], "axes.edgecolor": theme["faint"], "xtick.color": theme["ink"],
                "ytick.color": theme["ink"], "grid.color": theme["faint"], "axes.grid": True, "grid.linewidth": 0.5,
                "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False, "font.size": 9,
                "legend.frameon": False, "legend.fontsize": 8, "svg.hashsalt": "peers",
            }
            with plt.rc_context(style):
                figure, axes = plt.subplots(figsize=size, layout="constrained")
                axes.set_title(f"{title}\n", loc="left", fontweight="bold", fontsize=11)
                axes.text(0, 1.015, where, transform=axes.transAxes, fontsize=8, color=theme["ink"])
                draw(axes, theme, source)
                figure.savefig(RESULTS / "pictures" / f"{name}-{kind}.svg", metadata={"Date": None})
                plt.close(figure)


if __name__ == "__main__":
    main()
