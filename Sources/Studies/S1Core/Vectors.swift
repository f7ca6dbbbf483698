// Vectors of doubles, for identities that are judged at 1e-12; every sum runs from left to right.

private import Foundation

enum Vectors {
    static func dot(_ a: [Double], _ b: [Double]) -> Double {
        var sum = 0.0
        for index in a.indices { sum += a[index] * b[index] }
        return sum
    }

    static func length(_ a: [Double]) -> Double { dot(a, a).squareRoot() }
    static func mean(_ a: [Double]) -> Double { a.reduce(0, +) / Double(a.count) }
    static func scaled(_ factor: Double, _ a: [Double]) -> [Double] { a.map { factor * $0 } }
    static func sum(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 + $1 } }
    static func difference(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 - $1 } }
    static func cosine(_ a: [Double], _ b: [Double]) -> Double { dot(a, b) / (length(a) * length(b)) }

    static func centred(_ a: [Double]) -> [Double] {
        let mean = mean(a)
        return a.map { $0 - mean }
    }

    /// `a` without its part along `direction`.
    static func orthogonal(_ a: [Double], to direction: [Double]) -> [Double] {
        difference(a, scaled(dot(a, direction) / dot(direction, direction), direction))
    }

    /// The largest difference, relative to the largest expected number.
    static func error(_ given: [Double], _ expected: [Double]) -> Double {
        zip(given, expected).reduce(0) { max($0, abs($1.0 - $1.1)) } / expected.reduce(0) { max($0, abs($1)) }
    }

    /// The derivatives of `function` by each element of `x`, by central differences: `result[j]` is by x[j].
    static func differences(at x: [Double], step: Double = 1e-5, _ function: ([Double]) -> [Double]) -> [[Double]] {
        x.indices.map { index in
            var (up, down) = (x, x)
            up[index] += step
            down[index] -= step
            return zip(function(up), function(down)).map { ($0 - $1) / (up[index] - down[index]) }
        }
    }

    static func decimalLogarithm(_ number: Double) -> Double { log10(number) }
}
