/// A matrix as colours: one colour that grows denser, or two on both sides of zero.
struct HeatMapDrawing: PanelContentDrawing {
    let rows: [String]
    let columns: [String]
    let values: [[Double]]
    let range: ClosedRange<Double>
    let legend: String

    var summary: String { "\(legend): \(rows.count) rows, \(columns.count) columns" }

    func draw(top: Double, width: Double, in markup: inout Markup) -> Double {
        let left = 8 + min(width * 0.4, rows.map { TextWidth.of($0, size: 11.5) }.max() ?? 0)
        let cellWidth = min(52, (width - left - 4) / Double(max(1, columns.count)))
        let cellHeight = min(max(cellWidth, 18), 32, 300 / Double(max(1, rows.count)))
        let area = PlotArea(
            left: left, top: top + 4, width: cellWidth * Double(columns.count), height: cellHeight * Double(rows.count))
        for (row, values) in values.enumerated() {
            drawRow(
                values, row, y: area.top + cellHeight * Double(row), (cellWidth, cellHeight), left: left, in: &markup)
        }
        markup.add(
            "rect",
            [
                ("x", .number(area.left)), ("y", .number(area.top)), ("width", .number(area.width)),
                ("height", .number(area.height)), ("class", .text("frame")),
            ])
        let eachRow = Int((14 / cellHeight).rounded(.up))
        for (row, name) in rows.enumerated() where row % max(1, eachRow) == 0 {
            markup.label(
                name, x: left - 6, y: area.top + cellHeight * (Double(row) + 0.5) + 4, class: "name", anchor: "end")
        }
        return drawLegend(top: drawColumnNames(area, cellWidth, in: &markup), left: left, width: width, in: &markup)
    }

    private func drawRow(
        _ values: [Double], _ row: Int, y: Double, _ cell: (width: Double, height: Double), left: Double,
        in markup: inout Markup
    ) {
        let showsText = cell.width >= 30 && cell.height >= 16
        var column = 0
        while column < values.count {
            // Cells that look alike are one rectangle, so that large matrices stay small files.
            var end = column + 1
            let look = look(values[column])
            if !showsText { while end < values.count, self.look(values[end]) == look { end += 1 } }
            let x = left + cell.width * Double(column)
            markup.add(
                "rect",
                [
                    ("x", .number(x)), ("y", .number(y)), ("width", .number(cell.width * Double(end - column))),
                    ("height", .number(cell.height)), ("class", .text(look.name)),
                    ("fill-opacity", .text(NumberText.short(look.opacity))),
                ])
            if showsText {
                let name = look.opacity > 0.62 ? "value small on-colour" : "value small"
                markup.label(
                    NumberText.short(values[column], digits: 2), x: x + cell.width / 2, y: y + cell.height / 2 + 3.5,
                    class: name, anchor: "middle")
            }
            column = end
        }
    }

    private struct Look: Equatable {
        let name: String
        let opacity: Double
    }

    private func look(_ value: Double) -> Look {
        guard value.isFinite else { return Look(name: "empty", opacity: 0) }
        let (low, high) = (range.lowerBound, range.upperBound)
        let share = low < 0 && high > 0 ? value / max(-low, high) : high > low ? (value - low) / (high - low) : 0
        let opacity = (min(1, abs(share)) * 50).rounded() / 50
        return Look(
            name: share < 0 ? "heat-low" : low < 0 && high > 0 ? "heat-high" : "heat-low",
            opacity: low < 0 || share > 0 ? opacity : 0)
    }

    private func drawColumnNames(_ area: PlotArea, _ cellWidth: Double, in markup: inout Markup) -> Double {
        let widest = columns.map { TextWidth.of($0, size: 11.5) }.max() ?? 0
        let isTurned = widest > cellWidth - 2 && widest > 24
        let each = isTurned ? Int((14 / cellWidth).rounded(.up)) : Int(((widest + 6) / cellWidth).rounded(.up))
        for (column, name) in columns.enumerated() where column % max(1, each) == 0 {
            let x = area.left + cellWidth * (Double(column) + 0.5)
            let y = area.bottom + 14
            let turn: [(String, Markup.Attribute)] =
                isTurned
                ? [("transform", .text("rotate(-38 \(Markup.coordinate(x + 4)) \(Markup.coordinate(y)))"))] : []
            markup.add(
                "text",
                [
                    ("x", .number(isTurned ? x + 4 : x)), ("y", .number(y)), ("class", .text("name")),
                    ("text-anchor", .text(isTurned ? "end" : "middle")),
                ] + turn
            ) { $0.add(text: name) }
        }
        return area.bottom + (isTurned ? 22 + 0.62 * widest : 26)
    }

    /// A strip of the colours between the bounds, and below it what they mean.
    private func drawLegend(top: Double, left: Double, width: Double, in markup: inout Markup) -> Double {
        let steps = 20
        let lower = NumberText.short(range.lowerBound, digits: 3)
        markup.label(lower, x: left, y: top + 10, class: "tick")
        let start = left + TextWidth.of(lower, size: 11.5) + 6
        for step in 0..<steps {
            let share = (Double(step) + 0.5) / Double(steps)
            let look = look(range.lowerBound + (range.upperBound - range.lowerBound) * share)
            markup.add(
                "rect",
                [
                    ("x", .number(start + 4 * Double(step))), ("y", .number(top)), ("width", .number(4)),
                    ("height", .number(12)), ("class", .text(look.name)),
                    ("fill-opacity", .text(NumberText.short(look.opacity))),
                ])
        }
        let upper = NumberText.short(range.upperBound, digits: 3)
        let end = start + 4 * Double(steps) + 6
        markup.label(upper, x: end, y: top + 10, class: "tick")
        let lines = legend.wrapped(to: width) { TextWidth.of($0, size: 11.5) }
        for (row, line) in lines.enumerated() {
            let x = max(0, min(left, width - TextWidth.of(line, size: 11.5)))
            markup.label(line, x: x, y: top + 28 + 14 * Double(row), class: "axis-label")
        }
        return top + 20 + 14 * Double(lines.count)
    }
}
