internal import Plots

// Checks in words and numbers, for terminals and pages.

extension Gate {
    package var text: String {
        switch self {
        case .within(let expected, let tolerance):
            "\(NumberText.short(expected, resolving: tolerance)) ± \(NumberText.short(tolerance, digits: 3))"
        case .atMost(let limit): "≤ \(NumberText.short(limit))"
        case .atLeast(let limit): "≥ \(NumberText.short(limit))"
        case .equal(let expected): "exactly \(NumberText.short(expected, digits: 16))"
        }
    }

    /// A measured number with as many digits as the gate tells apart.
    package func text(of observed: Double) -> String {
        switch self {
        case .within(_, let tolerance): NumberText.short(observed, resolving: tolerance)
        case .atMost, .atLeast: NumberText.short(observed)
        case .equal: NumberText.short(observed, digits: 16)
        }
    }
}

extension Check {
    package var observedText: String { gate.text(of: observed) }
    package var mutantText: String { gate.text(of: mutant.observed) }
    /// Whether the gate turns the mutant away, as it must.
    package var mutantFails: Bool { !gate.admits(mutant.observed) }
}

extension StudyRecord {
    /// "12 of 12 checks pass", or why there are none.
    package var summary: String {
        if let failure { return "ended with an error: \(failure)" }
        let checks = result?.checks ?? []
        return "\(checks.count(where: \.passes)) of \(checks.count) checks pass"
    }

    package var timeText: String { "\(NumberText.short(seconds, digits: 2)) s" }
}
