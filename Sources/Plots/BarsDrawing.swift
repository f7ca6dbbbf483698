/// Groups of bars.
struct BarsDrawing: PanelContentDrawing {
    let categories: [String]
    let y: Axis
    let series: [BarSeries]

    var summary: String { "\(y.label) of \(categories.joined(separator: ", "))" }

    func draw(top: Double, width: Double, in markup: inout Markup) -> Double {
        let values = series.flatMap(\.values)
        let scale = AxisScale(y, values: values, padding: 0.06, includesZero: !y.isLogarithmic)
        let ticks = scale.ticks(5)
        let left = PlotArea.margin(for: ticks)
        var area = PlotArea(left: left, top: top + 28, width: width - left - 6, height: 180)
        if series.count > 1 {
            let legend = Legend(names: series.map(\.name)) { index, point, markup in
                box(x: point.x + 5, y: point.y - 6, width: 12, height: 12, index, nil, in: &markup)
            }
            area.top = legend.draw(top: top, width: width, in: &markup) + 28
        }
        markup.label(y.label, x: 0, y: area.top - 15, class: "axis-label")
        area.drawVerticalAxis(scale, ticks, in: &markup)
        drawBars(scale, area, in: &markup)
        return drawCategories(area, in: &markup)
    }

    private func drawBars(_ scale: AxisScale, _ area: PlotArea, in markup: inout Markup) {
        let base =
            y.isLogarithmic ? scale.range.lowerBound : min(max(0, scale.range.lowerBound), scale.range.upperBound)
        let slot = area.width / Double(max(1, categories.count))
        let bar = min(46, slot * 0.76 / Double(max(1, series.count)))
        let showsValues = bar >= 26 || (series.count == 1 && slot >= 34)
        for (index, series) in series.enumerated() {
            for (place, value) in series.values.enumerated() {
                let x = area.left + slot * (Double(place) + 0.5) + bar * (Double(index) - Double(self.series.count) / 2)
                guard scale.shows(value) else {
                    let text = value.isFinite ? "≤ 0" : NumberText.short(value)
                    markup.label(text, x: x + bar / 2, y: area.bottom - 4, class: "value small", anchor: "middle")
                    continue
                }
                let shown = min(max(value, scale.range.lowerBound), scale.range.upperBound)
                let ends = (area.y(shown, scale), area.y(base, scale))
                let text = "\(categories[place]), \(series.name): \(NumberText.short(value))"
                box(
                    x: x + 0.5, y: min(ends.0, ends.1), width: bar - 1, height: abs(ends.0 - ends.1), index, text,
                    in: &markup)
                if showsValues {
                    let above = value >= base || y.isLogarithmic
                    markup.label(
                        NumberText.short(value, digits: 3), x: x + bar / 2, y: ends.0 + (above ? -4 : 12),
                        class: "value small", anchor: "middle")
                }
            }
        }
        let baseline = area.y(base, scale)
        markup.line(from: (area.left, baseline), to: (area.right, baseline), class: "axis")
    }

    private func box(
        x: Double, y: Double, width: Double, height: Double, _ index: Int, _ title: String?, in markup: inout Markup
    ) {
        let attributes: [(String, Markup.Attribute)] = [
            ("x", .number(x)), ("y", .number(y)), ("width", .number(width)), ("height", .number(height)),
            ("class", .text("f\(index % FigureStyle.seriesColours)")),
        ]
        markup.add("rect", attributes) { markup in
            if let title { markup.add("title", []) { $0.add(text: title) } }
        }
    }

    /// Names below the bars: in lines if words allow it, else at an angle.
    private func drawCategories(_ area: PlotArea, in markup: inout Markup) -> Double {
        let slot = area.width / Double(max(1, categories.count))
        let lines = categories.map { $0.wrapped(to: slot - 4) { TextWidth.of($0, size: 11.5) } }
        let longest = lines.flatMap { $0 }.map { TextWidth.of($0, size: 11.5) }.max() ?? 0
        let count = lines.map(\.count).max() ?? 0
        if longest <= slot - 2, count <= 4 {
            for (place, lines) in lines.enumerated() {
                for (row, line) in lines.enumerated() {
                    markup.label(
                        line, x: area.left + slot * (Double(place) + 0.5), y: area.bottom + 16 + 14 * Double(row),
                        class: "name", anchor: "middle")
                }
            }
            return area.bottom + 14 * Double(count) + 12
        }
        for (place, name) in categories.enumerated() {
            let (x, y) = (area.left + slot * (Double(place) + 0.5) + 4, area.bottom + 14)
            let turn = "rotate(-38 \(Markup.coordinate(x)) \(Markup.coordinate(y)))"
            markup.add(
                "text",
                [
                    ("x", .number(x)), ("y", .number(y)), ("class", .text("name")), ("text-anchor", .text("end")),
                    ("transform", .text(turn)),
                ]
            ) { $0.add(text: name) }
        }
        return area.bottom + 22 + 0.62 * (categories.map { TextWidth.of($0, size: 11.5) }.max() ?? 0)
    }
}
