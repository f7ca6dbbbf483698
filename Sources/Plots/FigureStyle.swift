/// How figures look: colours as CSS custom properties, light and dark, which a page around them may override.
package enum FigureStyle {
    /// Series beyond these begin again, with another marker and dash.
    static let seriesColours = 8

    // After Okabe and Ito (2008), which colour-blind readers can tell apart; darkened for white paper, lightened
    // for black.
    private static let light = [
        "#0072b2", "#d55e00", "#00875f", "#a8458f", "#9a7400", "#5c6470", "#7a4a21", "#2f9bd6",
    ]
    private static let dark = [
        "#5ab4f0", "#ff8f4f", "#36c99b", "#e590d3", "#e3b93c", "#b4bcc8", "#cf9f73", "#a3dcff",
    ]

    /// The custom properties and, below them, the rules for every class that a drawing uses.
    package static let css = """
        :root {\(properties(light, ink: "#1c2128", quiet: "#5b6470", rule: "#e3e6ea", paper: "#ffffff",
            cold: "#0072b2", warm: "#c2500a"))}
        @media (prefers-color-scheme: dark) {
        :root {\(properties(dark, ink: "#e6e9ee", quiet: "#9aa4b2", rule: "#2c333d", paper: "#14171c",
            cold: "#5ab4f0", warm: "#ff8f4f"))}
        }
        .plot text {font: 11.5px system-ui, sans-serif; fill: var(--plot-quiet);}
        .plot text.panel-title {font-size: 13px; font-weight: 600; fill: var(--plot-ink);}
        .plot text.name, .plot text.value {fill: var(--plot-ink);}
        .plot text.small {font-size: 10px;}
        .plot text.on-colour {fill: var(--plot-paper);}
        .plot .grid {stroke: var(--plot-rule); stroke-width: 1;}
        .plot .axis {stroke: var(--plot-quiet); stroke-width: 1;}
        .plot .curve {fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round;}
        .plot .theory {fill: none; stroke: var(--plot-quiet); stroke-width: 1.5;}
        .plot .marker {stroke: var(--plot-paper); stroke-width: 0.75;}
        .plot .leader {stroke: var(--plot-quiet); stroke-width: 0.75;}
        .plot .heat-low {fill: var(--plot-cold);} .plot .heat-high {fill: var(--plot-warm);}
        .plot .frame {fill: none; stroke: var(--plot-rule); stroke-width: 1;}
        .plot .empty {fill: none; stroke: var(--plot-rule); stroke-dasharray: 2 2;}
        \((0..<seriesColours).map(rule).joined(separator: "\n"))
        """

    private static func properties(
        _ series: [String], ink: String, quiet: String, rule: String, paper: String, cold: String, warm: String
    ) -> String {
        series.enumerated().map { "--plot-\($0.offset): \($0.element); " }.joined()
            + "--plot-ink: \(ink); --plot-quiet: \(quiet); --plot-rule: \(rule); --plot-paper: \(paper); "
            + "--plot-cold: \(cold); --plot-warm: \(warm);"
    }

    private static func rule(_ index: Int) -> String {
        ".plot .s\(index) {stroke: var(--plot-\(index));} .plot .f\(index) {fill: var(--plot-\(index));}"
    }

    /// The dashes of the series with this number among those of its kind.
    static func dashes(_ round: Int, theory: Bool) -> String {
        let patterns = theory ? ["5 4", "2 3", "9 3 2 3"] : ["none", "7 3", "2 3"]
        return patterns[round % patterns.count]
    }
}
