// Pictures: well-formed, with sensible ticks, and honest about what cannot be shown.

import Foundation
import Testing

@testable import Plots

#if canImport(FoundationXML)
    import FoundationXML
#endif

@Suite struct Ticks {
    private func labels(_ axis: Axis, _ values: [Double], _ count: Int = 5) -> [String] {
        AxisScale(axis, values: values, padding: 0).ticks(count).map(\.label).filter { !$0.isEmpty }
    }

    @Test func equalStepsOfOneTwoOrFive() {
        #expect(labels(Axis("x"), [0, 1]) == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"])
        #expect(labels(Axis("x"), [0, 50]) == ["0", "10", "20", "30", "40", "50"])
        #expect(labels(Axis("x"), [-0.3, 0.3], 3) == ["−0.2", "0.0", "0.2"])
        #expect(labels(Axis("x"), [0, 2.4e6]) == ["0", "500000", "10⁶", "1.5×10⁶", "2×10⁶"])
        #expect(labels(Axis("x"), [0, 3e-7], 3) == ["0", "10⁻⁷", "2×10⁻⁷", "3×10⁻⁷"])
    }

    @Test func decades() {
        #expect(labels(Axis("x", log: true), [1, 1000]) == ["1", "10", "100", "1000"])
        #expect(labels(Axis("x", log: true), [1e-6, 1e-3]) == ["10⁻⁶", "10⁻⁵", "10⁻⁴", "10⁻³"])
        #expect(labels(Axis("x", log: true), [1e-20, 1]).count <= 6)
        #expect(labels(Axis("x", log: true), [1, 6]) == ["1", "2", "5"])
        #expect(labels(Axis("x", log: true), [100, 104]).count >= 3, "less than a decade: equal steps")
    }

    @Test(arguments: [true, false]) func anyDataGivesARange(_ isLogarithmic: Bool) {
        for values in [
            [], [.nan], [0], [-1], [3], [3, 3], [.infinity, 2], [-5, 5], [1e-300, 1e300], [0, .leastNonzeroMagnitude],
        ] as [[Double]] {
            let scale = AxisScale(Axis("x", log: isLogarithmic), values: values, padding: 0.05)
            #expect(scale.range.lowerBound < scale.range.upperBound, "\(values)")
            #expect(scale.range.lowerBound.isFinite && scale.range.upperBound.isFinite)
            #expect(scale.ticks(5).count < 100)
        }
    }

    @Test func positionsOfALogarithmicAxis() {
        let scale = AxisScale(Axis("x", log: true), values: [1, 100], padding: 0)
        #expect(abs(scale.position(10) - 0.5) < 1e-12 && !scale.shows(0) && !scale.shows(-1) && !scale.shows(.nan))
    }
}

@Suite struct Numbers {
    @Test(
        arguments: [
            (0, "0"), (-0.0, "0"), (1234, "1234"), (0.5, "0.5"), (1 / 3, "0.3333"), (-2.5e-9, "−2.5×10⁻⁹"),
            (1e-12, "10⁻¹²"),
            (1e6, "10⁶"), (123456.7, "123457"), (99999.99, "100000"), (9.99999e-4, "0.001"), (.nan, "NaN"),
            (-.infinity, "−∞"), (1e300, "10³⁰⁰"), (.leastNonzeroMagnitude, "4.941×10⁻³²⁴"),
        ] as [(Double, String)]) func areShort(_ value: Double, _ text: String)
    {
        #expect(NumberText.short(value) == text)
    }
}

@Suite struct Pictures {
    @Test func everyKindOfPanelIsWellFormed() throws {
        for figure in FakeStudy.figures {
            try expectXML(figure.svg)
            for panel in figure.panels { try expectXML(panel.svg) }
        }
    }

    @Test func textIsEscaped() throws {
        let panel = Panel(
            "a < b & \"c\"",
            .curves(x: Axis("<x>"), y: Axis("y & z"), series: [Series("<s>\u{1}", [(x: 0, y: 0), (x: 1, y: 1)])]))
        let elements = try expectXML(Figure(caption: "<caption>", panels: [panel]).svg)
        #expect(elements.text.contains("a < b & \"c\"") && elements.text.contains("<s>"))
    }

    @Test func emptyContentIsAPictureToo() throws {
        for content: Panel.Content in [
            .curves(x: Axis("x"), y: Axis("y", log: true), series: []),
            .curves(x: Axis("x"), y: Axis("y"), series: [Series("none", [])]),
            .curves(x: Axis("x"), y: Axis("y"), series: [Series("one", [(x: 1, y: 1)])]),
            .bars(categories: [], y: Axis("y"), series: []),
            .bars(categories: ["a"], y: Axis("y", log: true), series: [BarSeries("s", [0])]),
            .heatMap(rows: [], columns: [], values: [], range: 0...1, legend: "nothing"),
            .heatMap(rows: ["r"], columns: ["c"], values: [[.nan]], range: 2...2, legend: "constant"),
        ] {
            let text = try expectXML(Panel("empty", content).svg).source
            #expect(!text.contains("nan") && !text.contains("inf"))
        }
    }

    /// A line ends where a value is missing, and the picture says so.
    @Test func missingValuesAreGapsAndAreCounted() throws {
        let points = [(x: 1.0, y: 1.0), (x: 2, y: 2), (x: 3, y: .nan), (x: 4, y: 4), (x: 5, y: 5), (x: 6, y: -1)]
        let linear = Panel("gaps", .curves(x: Axis("x"), y: Axis("y"), series: [Series("s", points)])).svg
        #expect(linear.contains("not shown: 1 point, not finite"))
        let paths = linear.components(separatedBy: "<path").dropFirst().map { $0.prefix { $0 != ">" } }
        #expect(paths.contains { path in path.count { $0 == "M" } == 2 && path.count { $0 == "L" } == 3 })
        let logarithmic = Panel("gaps", .curves(x: Axis("x"), y: Axis("y", log: true), series: [Series("s", points)]))
            .svg
        #expect(logarithmic.contains("not shown: 2 points, not finite or not above 0"))
        #expect(!linear.contains("nan") && !logarithmic.contains("nan"))
    }

    @Test func namesStandAtTheEndsOfLinesOrInALegend() {
        func panel(_ names: [String]) -> String {
            let series = names.enumerated().map { place, name in
                Series(name, [(x: 0, y: 0), (x: 1, y: Double(place))])
            }
            return Panel("names", .curves(x: Axis("x"), y: Axis("y"), series: series)).svg
        }
        let beside = panel(["one", "two"])
        #expect(beside.contains("one</text>") && height(of: beside) == height(of: panel(["one"])))
        let above = panel((0..<9).map { "series number \($0)" })
        #expect(above.contains("series number 8</text>") && height(of: above) > height(of: beside))
    }

    @Test func heatMapsOfEqualCellsStaySmall() {
        let values = (0..<128).map { row in (0..<128).map { $0 < row ? 1.0 : 0 } }
        let names = (0..<128).map(String.init)
        let svg = Panel("mask", .heatMap(rows: names, columns: names, values: values, range: 0...1, legend: "weight"))
            .svg
        #expect(svg.utf8.count < 60_000)
    }

    /// Data may lie beyond a range that was asked for: they are cut off, inside an element of their own.
    @Test func rangesCutOff() {
        let axis = Axis("y", range: 0...1)
        let svg = Panel("cut", .curves(x: Axis("x"), y: axis, series: [Series("s", [(x: 0, y: 0), (x: 1, y: 9)])])).svg
        #expect(svg.contains("overflow=\"hidden\""))
    }

    private func height(of svg: String) -> Double {
        let height = svg.split(separator: "viewBox=\"0 0 390 ").last?.prefix { $0 != "\"" }
        return height.flatMap { Double($0) } ?? .nan
    }
}

private final class TextCollector: NSObject, XMLParserDelegate {
    var text = ""
    func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }
}

/// Parses; what is no XML fails the test.
@discardableResult
private func expectXML(_ source: String) throws -> (text: String, source: String) {
    let parser = XMLParser(data: Data(source.utf8))
    let collector = TextCollector()
    parser.delegate = collector
    let isWellFormed = parser.parse()
    #expect(
        isWellFormed,
        "\(String(describing: parser.parserError)) line \(parser.lineNumber) column \(parser.columnNumber)")
    return (collector.text, source)
}
