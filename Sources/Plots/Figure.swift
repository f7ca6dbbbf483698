// Figure: what a picture shows, as data. SVG.swift draws it.

/// Panels beside each other under one caption.
package struct Figure: Codable, Sendable {
    package var caption: String
    package var panels: [Panel]

    package init(caption: String, panels: [Panel]) {
        self.caption = caption
        self.panels = panels
    }
}

package struct Panel: Codable, Sendable {
    package var title: String
    package var content: Content

    package enum Content: Codable, Sendable {
        case curves(x: Axis, y: Axis, series: [Series])
        /// A group of bars for each category: `values[series][category]`.
        case bars(categories: [String], y: Axis, series: [BarSeries])
        /// Numbers as colours: `values[row][column]`. Colours run from the lower to the upper bound of `range`.
        case heatMap(rows: [String], columns: [String], values: [[Double]], range: ClosedRange<Double>, legend: String)
    }

    package init(_ title: String, _ content: Content) {
        self.title = title
        self.content = content
    }
}

package struct BarSeries: Codable, Sendable {
    package var name: String
    package var values: [Double]

    package init(_ name: String, _ values: [Double]) {
        self.name = name
        self.values = values
    }
}

package struct Axis: Codable, Sendable {
    package var label: String
    package var isLogarithmic: Bool
    /// Nil: from the data.
    package var range: ClosedRange<Double>?

    package init(_ label: String, log isLogarithmic: Bool = false, range: ClosedRange<Double>? = nil) {
        self.label = label
        self.isLogarithmic = isLogarithmic
        self.range = range
    }
}

package struct Series: Codable, Sendable {
    package var name: String
    package var points: [Point]
    package var style: Style

    package enum Style: String, Codable, Sendable {
        case line, points, linesAndPoints
        /// A prediction: a dashed line in a quiet colour.
        case theory
    }

    package struct Point: Codable, Sendable {
        package var x: Double
        package var y: Double
    }

    package init(_ name: String, _ points: [(x: Double, y: Double)], _ style: Style = .line) {
        self.name = name
        self.points = points.map { Point(x: $0.x, y: $0.y) }
        self.style = style
    }
}
