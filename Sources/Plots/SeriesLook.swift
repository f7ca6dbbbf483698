/// How one series is told from the others: colour, dashes, marker.
struct SeriesLook {
    let style: Series.Style
    /// Among the series of its kind: predictions, or everything else.
    let index: Int

    static func looks(of series: [Series]) -> [SeriesLook] {
        var (theories, others) = (0, 0)
        // More predictions than dashes that can be told apart look alike.
        let areAlike = series.count { $0.style == .theory } > 3
        return series.map { series in
            defer { if series.style == .theory { theories += 1 } else { others += 1 } }
            return SeriesLook(style: series.style, index: series.style == .theory ? (areAlike ? 0 : theories) : others)
        }
    }

    private var colour: Int { index % FigureStyle.seriesColours }
    private var hasLine: Bool { style != .points }
    private var hasMarkers: Bool { style == .points || style == .linesAndPoints }

    private var lineAttributes: [(String, Markup.Attribute)] {
        let dashes =
            style == .theory
            ? FigureStyle.dashes(index, theory: true)
            : FigureStyle.dashes(index / FigureStyle.seriesColours, theory: false)
        return [
            ("class", .text(style == .theory ? "theory" : "curve s\(colour)")), ("stroke-dasharray", .text(dashes)),
        ]
    }

    /// - Parameter runs: Points of the picture; where a run ends, the line does.
    func draw(_ runs: [[(x: Double, y: Double)]], in markup: inout Markup) {
        if hasLine {
            let path = runs.filter { $0.count > 1 }.map { run in
                "M" + run.map { "\(Markup.coordinate($0.x)) \(Markup.coordinate($0.y))" }.joined(separator: "L")
            }.joined()
            if !path.isEmpty { markup.add("path", [("d", .text(path))] + lineAttributes) }
        }
        let isDense = runs.reduce(0) { $0 + $1.count } > 24
        for run in runs where hasMarkers || run.count == 1 {
            for point in run { marker(at: point, radius: isDense ? 2 : 3.2, in: &markup) }
        }
    }

    /// A piece of the line, with a marker in its middle where the series has markers: for a legend.
    func swatch(at start: (x: Double, y: Double), width: Double, in markup: inout Markup) {
        let line = SeriesLook(style: style == .theory ? .theory : .line, index: index)
        if hasLine { line.draw([[start, (start.x + width, start.y)]], in: &markup) }
        if hasMarkers { marker(at: (start.x + width / 2, start.y), radius: 3.2, in: &markup) }
    }

    private func marker(at point: (x: Double, y: Double), radius r: Double, in markup: inout Markup) {
        let shapes: [[(Double, Double)]] = [
            [], [(-r, -r), (r, -r), (r, r), (-r, r)], [(0, -r * 1.3), (r * 1.2, r), (-r * 1.2, r)],
            [(0, -r * 1.35), (r * 1.35, 0), (0, r * 1.35), (-r * 1.35, 0)],
        ]
        let corners = shapes[index % shapes.count]
        let name = style == .theory ? "theory" : "marker f\(colour)"
        guard !corners.isEmpty else {
            markup.add(
                "circle",
                [("cx", .number(point.x)), ("cy", .number(point.y)), ("r", .number(r)), ("class", .text(name))])
            return
        }
        let path = corners.map { "\(Markup.coordinate(point.x + $0.0)) \(Markup.coordinate(point.y + $0.1))" }
        markup.add("path", [("d", .text("M" + path.joined(separator: "L") + "Z")), ("class", .text(name))])
    }
}
