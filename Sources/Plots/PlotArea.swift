/// The rectangle in which data are drawn.
struct PlotArea {
    var left: Double
    var top: Double
    var width: Double
    var height: Double

    var right: Double { left + width }
    var bottom: Double { top + height }

    func x(_ value: Double, _ scale: AxisScale) -> Double { left + width * scale.position(value) }
    func y(_ value: Double, _ scale: AxisScale) -> Double { bottom - height * scale.position(value) }

    /// How much room labels of these ticks need beside the area.
    static func margin(for ticks: [Tick]) -> Double {
        8 + (ticks.map { TextWidth.of($0.label, size: 11.5) }.max() ?? 0)
    }

    func drawVerticalAxis(_ scale: AxisScale, _ ticks: [Tick], in markup: inout Markup) {
        for tick in ticks where !tick.label.isEmpty {
            let y = y(tick.value, scale)
            markup.line(from: (left, y), to: (right, y), class: "grid")
            markup.label(tick.label, x: left - 6, y: y + 4, class: "tick", anchor: "end")
        }
    }

    /// Ticks between labelled ones have no label, and marks half as long.
    func drawHorizontalAxis(_ scale: AxisScale, _ ticks: [Tick], in markup: inout Markup) {
        markup.line(from: (left, bottom), to: (right, bottom), class: "axis")
        for tick in ticks {
            let x = x(tick.value, scale)
            markup.line(from: (x, bottom), to: (x, bottom + (tick.label.isEmpty ? 2.5 : 5)), class: "axis")
            if !tick.label.isEmpty { markup.label(tick.label, x: x, y: bottom + 17, class: "tick", anchor: "middle") }
        }
    }

    /// Data inside; what lies beyond the range of an axis is cut off.
    func clipped(_ markup: inout Markup, draw: (inout Markup) -> Void) {
        let frame: [(String, Markup.Attribute)] = [
            ("x", .number(left - 4)), ("y", .number(top - 4)), ("width", .number(width + 8)),
            ("height", .number(height + 8)),
            (
                "viewBox",
                .text([left - 4, top - 4, width + 8, height + 8].map(Markup.coordinate).joined(separator: " "))
            ),
            ("overflow", .text("hidden")),
        ]
        markup.add("svg", frame, content: draw)
    }
}
