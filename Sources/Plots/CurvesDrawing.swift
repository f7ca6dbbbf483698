/// Series over two axes.
struct CurvesDrawing: PanelContentDrawing {
    let x: Axis
    let y: Axis
    let series: [Series]

    private struct EndLabel {
        let index: Int
        let end: (x: Double, y: Double)
        var y: Double
    }

    var summary: String { "\(y.label) against \(x.label): \(series.map(\.name).joined(separator: ", "))" }

    func draw(top: Double, width: Double, in markup: inout Markup) -> Double {
        let points = series.flatMap(\.points).filter(shows)
        let xScale = AxisScale(x, values: points.map(\.x), padding: 0)
        let yScale = AxisScale(y, values: points.map(\.y), padding: 0.06)
        let looks = SeriesLook.looks(of: series)
        let yTicks = yScale.ticks(5)
        let left = PlotArea.margin(for: yTicks)
        var area = PlotArea(left: left, top: top + 24, width: width - left - 14, height: 190)
        var labels: [EndLabel] = []
        if let found = endLabels(in: &area, width: width, xScale, yScale) {
            labels = found
        } else {
            let entries = legendEntries
            let legend = Legend(names: entries.map(\.name)) { entry, start, markup in
                looks[entries[entry].index].swatch(at: start, width: Legend.swatchWidth, in: &markup)
            }
            area.top = legend.draw(top: top, width: width, in: &markup) + 24
        }

        markup.label(y.label, x: 0, y: area.top - 11, class: "axis-label")
        area.drawVerticalAxis(yScale, yTicks, in: &markup)
        area.drawHorizontalAxis(xScale, xScale.ticks(area.width < 220 ? 4 : 6), in: &markup)
        area.clipped(&markup) { markup in
            // Predictions last: a dashed line shows on a full one, not under it.
            for isTheory in [false, true] {
                for (look, series) in zip(looks, series) where (series.style == .theory) == isTheory {
                    look.draw(runs(of: series, in: area, xScale, yScale), in: &markup)
                }
            }
        }
        for label in labels {
            if abs(label.y - label.end.y) > 4 {
                markup.line(from: (label.end.x + 5, label.end.y), to: (area.right + 9, label.y), class: "leader")
            }
            looks[label.index].swatch(at: (area.right + 11, label.y), width: 9, in: &markup)
            markup.label(series[label.index].name, x: area.right + 24, y: label.y + 4, class: "name")
        }
        return finish(area, in: &markup)
    }

    /// Many predictions, each along a curve of its own, share one entry.
    private var legendEntries: [(name: String, index: Int)] {
        let all = series.enumerated().map { (name: $0.element.name, index: $0.offset) }
        let theories = all.filter { series[$0.index].style == .theory }
        guard theories.count > 3, let first = theories.first else { return all }
        return all.filter { series[$0.index].style != .theory } + [(name: "theory", index: first.index)]
    }

    private func finish(_ area: PlotArea, in markup: inout Markup) -> Double {
        markup.label(x.label, x: area.left + area.width / 2, y: area.bottom + 34, class: "axis-label", anchor: "middle")
        let missing = series.flatMap(\.points).count { !shows($0) }
        guard missing > 0 else { return area.bottom + 42 }
        let reason = x.isLogarithmic || y.isLogarithmic ? "not finite or not above 0" : "not finite"
        markup.label(
            "not shown: \(missing) point\(missing == 1 ? "" : "s"), \(reason)", x: area.right, y: area.bottom + 50,
            class: "small", anchor: "end")
        return area.bottom + 56
    }

    private func shows(_ point: Series.Point) -> Bool {
        AxisScale.shows(point.x, logarithmic: x.isLogarithmic) && AxisScale.shows(point.y, logarithmic: y.isLogarithmic)
    }

    /// Points that follow each other and can be shown.
    private func runs(
        of series: Series, in area: PlotArea, _ xScale: AxisScale, _ yScale: AxisScale
    ) -> [[(x: Double, y: Double)]] {
        series.points.split { !shows($0) }.map { run in
            run.map { (area.x($0.x, xScale), area.y($0.y, yScale)) }
        }
    }

    /// Names beside the right ends of the lines, if there are few, they are short, all lines end near the right side,
    /// and no name has to move far. Makes room for them.
    private func endLabels(
        in area: inout PlotArea, width: Double, _ xScale: AxisScale, _ yScale: AxisScale
    ) -> [EndLabel]? {
        let room = 24 + (series.map { TextWidth.of($0.name, size: 11.5) }.max() ?? 0)
        guard series.count <= 6, room <= width * 0.34 else { return nil }
        var narrow = area
        narrow.width = width - area.left - room - 6
        var labels: [EndLabel] = []
        for (index, series) in series.enumerated() {
            guard series.style != .points, let last = series.points.last(where: shows), xScale.position(last.x) > 0.97
            else { return nil }
            let end = (x: narrow.x(last.x, xScale), y: narrow.y(last.y, yScale))
            guard (narrow.top...narrow.bottom).contains(end.y) else { return nil }
            labels.append(EndLabel(index: index, end: end, y: end.y))
        }
        labels.sort { $0.y < $1.y }
        guard spread(&labels, gap: 14, area: narrow) else { return nil }
        area = narrow
        return labels
    }

    /// Moves labels apart, each group that touches around its own middle.
    private func spread(_ labels: inout [EndLabel], gap: Double, area: PlotArea) -> Bool {
        var groups = labels.map { [$0] }
        func centre(_ group: [EndLabel]) -> Double { group.map(\.end.y).reduce(0, +) / Double(group.count) }
        func half(_ group: [EndLabel]) -> Double { gap * Double(group.count) / 2 }
        var index = 1
        while index < groups.count {
            if centre(groups[index]) - half(groups[index]) < centre(groups[index - 1]) + half(groups[index - 1]) {
                groups[index - 1] += groups.remove(at: index)
                index = max(1, index - 1)
            } else {
                index += 1
            }
        }
        labels = groups.flatMap { group in
            group.enumerated().map { place, label in
                var label = label
                label.y = centre(group) - half(group) + gap * (Double(place) + 0.5)
                return label
            }
        }
        return labels.allSatisfy { abs($0.y - $0.end.y) < 40 && $0.y > area.top - 12 && $0.y < area.bottom + 12 }
    }
}
