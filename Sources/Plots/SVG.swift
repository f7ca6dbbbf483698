/// What draws the content of a panel.
protocol PanelContentDrawing {
    /// In a sentence, for those who cannot see it.
    var summary: String { get }
    /// - Returns: Where the drawing ends.
    func draw(top: Double, width: Double, in markup: inout Markup) -> Double
}

extension Panel {
    /// The width of a panel in its own units, in which text is 11.5 high.
    package static let width = 390.0

    /// An SVG element that a page with `FigureStyle.css` may hold.
    package var svg: String { drawing().text }

    /// - Parameter x: Where it stands in a picture of several panels; nil on its own.
    func drawing(x: Double? = nil) -> (text: String, height: Double) {
        let content = contentDrawing
        var inner = Markup()
        var top = 0.0
        for line in title.wrapped(to: Panel.width, measure: { TextWidth.of($0, size: 13.5) }) {
            inner.label(line, x: 0, y: top + 14, class: "panel-title")
            top += 18
        }
        let height = content.draw(top: top + 4, width: Panel.width, in: &inner).rounded(.up)
        let description = "\(title). \(content.summary)"
        var place: [(String, Markup.Attribute)] = [("class", .text("plot"))]
        if let x {
            place += [
                ("x", .number(x)), ("y", .number(0)), ("width", .number(Panel.width)), ("height", .number(height)),
            ]
        } else {
            place.append(("xmlns", .text("http://www.w3.org/2000/svg")))
        }
        var markup = Markup()
        markup.add(
            "svg",
            place + [
                ("viewBox", .text("0 0 \(Markup.coordinate(Panel.width)) \(Markup.coordinate(height))")),
                ("role", .text("img")), ("aria-label", .text(description)),
            ]
        ) { markup in
            markup.add("title", []) { $0.add(text: description) }
            markup.add(markup: inner.text)
        }
        return (markup.text, height)
    }

    private var contentDrawing: any PanelContentDrawing {
        switch content {
        case .curves(let x, let y, let series): CurvesDrawing(x: x, y: y, series: series)
        case .bars(let categories, let y, let series): BarsDrawing(categories: categories, y: y, series: series)
        case .heatMap(let rows, let columns, let values, let range, let legend):
            HeatMapDrawing(rows: rows, columns: columns, values: values, range: range, legend: legend)
        }
    }
}

extension Figure {
    /// A file of its own: all panels beside each other, colours for light and dark inside.
    package var svg: String {
        let (gap, margin) = (36.0, 16.0)
        var panels = Markup()
        var (x, height) = (0.0, 0.0)
        for panel in self.panels {
            let drawing = panel.drawing(x: x)
            panels.add(markup: drawing.text)
            x += Panel.width + gap
            height = max(height, drawing.height)
        }
        let width = max(x - gap, 0) + 2 * margin
        let frame = [-margin, -margin, width, height + 2 * margin].map(Markup.coordinate)
        var markup = Markup()
        markup.add(
            "svg",
            [
                ("xmlns", .text("http://www.w3.org/2000/svg")), ("viewBox", .text(frame.joined(separator: " "))),
                ("width", .text(frame[2])), ("height", .text(frame[3])), ("role", .text("img")),
                ("aria-label", .text(caption)),
            ]
        ) { markup in
            markup.add("title", []) { $0.add(text: caption) }
            markup.add("style", []) { $0.add(text: FigureStyle.css + "\nsvg {background: var(--plot-paper);}") }
            markup.add(markup: panels.text)
        }
        return markup.text + "\n"
    }
}
