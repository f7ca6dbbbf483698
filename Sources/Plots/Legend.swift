/// Names of series in rows above the data.
struct Legend {
    let names: [String]
    /// Draws the sign of the series with this number, 22 wide, centred on this height.
    let swatch: (Int, (x: Double, y: Double), inout Markup) -> Void

    /// - Returns: Where it ends.
    func draw(top: Double, width: Double, in markup: inout Markup) -> Double {
        var (x, y) = (0.0, top + 8)
        for (index, name) in names.enumerated() {
            let advance = 28 + TextWidth.of(name, size: 11.5) + 14
            if x > 0, x + advance - 14 > width { (x, y) = (0, y + 17) }
            swatch(index, (x, y), &markup)
            markup.label(name, x: x + 28, y: y + 4, class: "name")
            x += advance
        }
        return names.isEmpty ? top : y + 10
    }
}
