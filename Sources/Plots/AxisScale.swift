private import Foundation

/// Where values lie along an axis, and where its ticks are.
struct AxisScale {
    let isLogarithmic: Bool
    let range: ClosedRange<Double>

    /// - Parameter values: What is to be shown; those that the axis cannot show are passed over.
    /// - Parameter padding: Share of the range that is added at both ends, where it comes from the data.
    init(_ axis: Axis, values: [Double], padding: Double, includesZero: Bool = false) {
        isLogarithmic = axis.isLogarithmic
        let shown = values.filter { AxisScale.shows($0, logarithmic: axis.isLogarithmic) }
        if let range = axis.range, AxisScale.shows(range.lowerBound, logarithmic: axis.isLogarithmic) {
            self.range = range.lowerBound < range.upperBound ? range : AxisScale.widened(range, isLogarithmic)
            return
        }
        guard let least = shown.min(), let most = shown.max() else {
            range = isLogarithmic ? 0.1...10 : 0...1
            return
        }
        if least == most, !includesZero || least == 0 {
            range = AxisScale.widened(least...most, isLogarithmic)
        } else if isLogarithmic {
            // Within what a Double holds: 1e-300 ... 1e300 has no room for its padding.
            let factor = pow(10, min((log10(most) - log10(least)) * padding, 7))
            range = max(least / factor, .leastNonzeroMagnitude)...min(most * factor, .greatestFiniteMagnitude)
        } else {
            let (low, high) = includesZero ? (min(0, least), max(0, most)) : (least, most)
            let margin = (high - low) * padding
            let startsAtZero = low >= 0 && low <= 0.25 * high && padding > 0
            range = (startsAtZero ? 0 : low - margin)...(includesZero && high == 0 ? 0 : high + margin)
        }
    }

    static func shows(_ value: Double, logarithmic: Bool) -> Bool { value.isFinite && (!logarithmic || value > 0) }

    func shows(_ value: Double) -> Bool { AxisScale.shows(value, logarithmic: isLogarithmic) }

    /// 0 at the lower end, 1 at the upper.
    func position(_ value: Double) -> Double {
        let place: (Double) -> Double = isLogarithmic ? { log10($0) } : { $0 }
        return (place(value) - place(range.lowerBound)) / (place(range.upperBound) - place(range.lowerBound))
    }

    private static func widened(_ range: ClosedRange<Double>, _ isLogarithmic: Bool) -> ClosedRange<Double> {
        let value = range.lowerBound
        if isLogarithmic { return (value / 2)...(value * 2) }
        let margin = value == 0 ? 1 : abs(value) * 0.1
        return (value - margin)...(value + margin)
    }
}

// MARK: - Ticks

struct Tick: Equatable {
    let value: Double
    /// Empty for a tick between labelled ones.
    let label: String
}

extension AxisScale {
    /// At most about `count` labelled ticks: steps of 1, 2 or 5 times a power of ten, or decades.
    func ticks(_ count: Int) -> [Tick] { isLogarithmic ? decades(count) : AxisScale.steps(in: range, count) }

    private static func steps(in range: ClosedRange<Double>, _ count: Int) -> [Tick] {
        let raw = (range.upperBound - range.lowerBound) / Double(count)
        let exponent = Int(log10(raw).rounded(.down))
        let magnitude = pow(10, Double(exponent))
        let factor = [1.0, 2, 5, 10].first { raw <= $0 * magnitude * (1 + 1e-9) } ?? 10
        let step = factor * magnitude
        let slack = 1e-9
        let first = (range.lowerBound / step - slack).rounded(.up)
        let last = (range.upperBound / step + slack).rounded(.down)
        guard first <= last else { return [] }
        let values = stride(from: first, through: last, by: 1).map { $0 * step }
        let decimals = max(0, factor == 10 ? -exponent - 1 : -exponent)
        let largest = values.map { abs($0) }.max() ?? 0
        return values.map { value in
            let isPlain = decimals <= 4 && largest < 1e5
            return Tick(
                value: value,
                label: isPlain
                    ? NumberText.fixed(value, decimals: decimals) : NumberText.short(value == 0 ? 0 : value, digits: 3))
        }
    }

    private func decades(_ count: Int) -> [Tick] {
        let first = Int((log10(range.lowerBound) - 1e-9).rounded(.up))
        let last = Int((log10(range.upperBound) + 1e-9).rounded(.down))
        guard last > first else { return withinADecade(count) }
        let isPlain = first >= -2 && last <= 4
        let each = (last - first) / count + 1
        var ticks: [Tick] = []
        for exponent in (first - 1)...last {
            let decade = pow(10, Double(exponent))
            let isLabelled = (exponent - first) % each == 0
            let label = isPlain ? NumberText.short(decade) : NumberText.powerOfTen(exponent)
            ticks.append(Tick(value: decade, label: isLabelled ? label : ""))
            guard last - first < count else { continue }
            ticks += (2...9).map { Tick(value: Double($0) * decade, label: "") }
        }
        return ticks.filter(isInside)
    }

    /// 1, 2 and 5; where too few of them lie in the range, equal steps.
    private func withinADecade(_ count: Int) -> [Tick] {
        let exponents = Int(log10(range.lowerBound).rounded(.down))...Int(log10(range.upperBound).rounded(.up))
        let ticks = exponents.flatMap { exponent in
            [1.0, 2, 5].map {
                Tick(value: $0 * pow(10, Double(exponent)), label: NumberText.short($0 * pow(10, Double(exponent))))
            }
        }.filter(isInside)
        return ticks.count >= 3 ? ticks : AxisScale.steps(in: range, count)
    }

    private func isInside(_ tick: Tick) -> Bool {
        (range.lowerBound * (1 - 1e-9)...range.upperBound * (1 + 1e-9)).contains(tick.value)
    }
}
