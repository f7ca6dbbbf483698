/// Names of series in rows above the data.
struct Legend {
    let names: [String]
    static let swatchWidth = 22.0

    /// Draws the sign of the series with this number, `swatchWidth` wide, from this point to the right.
    let swatch: (Int, (x: Double, y: Double), inout Markup) -> Void

    /// - Returns: Where it ends.
    func draw(top: Double, width: Double, in markup: inout Markup) -> Double {
        var (x, y) = (0.0, top + 8)
        for (index, name) in names.enumerated() {
            let advance = Legend.swatchWidth + 6 + TextWidth.of(name, size: 11.5) + 14
            if x > 0, x + advance - 14 > width { (x, y) = (0, y + 17) }
            swatch(index, (x, y), &markup)
            markup.label(name, x: x + Legend.swatchWidth + 6, y: y + 4, class: "name")
            x += advance
        }
        return names.isEmpty ? top : y + 10
    }
}
