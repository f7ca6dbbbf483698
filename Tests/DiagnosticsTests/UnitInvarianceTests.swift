// BuckinghamPi and UnitInvarianceReport.

import NormalizationDiagnostics
import Testing

@Suite struct UnitInvarianceTests {
    private static let flow: [(name: String, exponents: DimensionExponents)] = [
        ("density", DimensionExponents(length: -3, mass: 1)), ("velocity", SI.Velocity.exponents),
        ("diameter", SI.Length.exponents), ("viscosity", DimensionExponents(length: -1, mass: 1, time: -1)),
    ]

    @Test func reynoldsNumber() throws {
        let groups = try BuckinghamPi(Self.flow)
        #expect(groups.rank == 3 && groups.groups == [[1, 1, 1, -1]])
        #expect(groups.description == "density velocity diameter viscosity^-1")
        #expect(try groups.products(of: [1000, 2, 0.5, 0.25]) == [4000])
    }

    /// The period of a pendulum: of period, length, gravity and mass one product, period² gravity / length; mass is in
    /// none.
    @Test func exponentsAreIntegersWithoutACommonDivisor() throws {
        let groups = try BuckinghamPi([
            ("period", SI.Time.exponents), ("length", SI.Length.exponents),
            ("gravity", DimensionExponents(length: 1, time: -2)), ("mass", SI.Mass.exponents),
        ])
        #expect(groups.rank == 3 && groups.groups == [[2, -1, 1, 0]])
    }

    /// Every product has exponents 0, for matrices of every rank.
    @Test(arguments: [
        [[1, 2], [2, 4], [3, 6]], [[0, 0], [0, 0]], [[2, 3], [4, 5], [6, 7], [-8, 9]], [[6], [10], [15]],
    ])
    func nullSpaceIsOne(_ exponents: [[Int]]) throws {
        let groups = try BuckinghamPi(exponents: exponents)
        #expect(groups.groups.count == exponents.count - groups.rank)
        for group in groups.groups {
            #expect(group.contains { $0 != 0 })
            for base in exponents[0].indices {
                #expect(zip(group, exponents).reduce(0) { $0 + $1.0 * $1.1[base] } == 0)
            }
        }
    }

    @Test func matricesThatCannotBe() {
        expectError(.shapeMismatch) { () throws(NormalizationError) in try BuckinghamPi(exponents: [[1, 2], [1]]) }
        expectError(.shapeMismatch) { () throws(NormalizationError) in
            try BuckinghamPi(exponents: [[1], [2]], names: ["a"])
        }
        expectError(.sizeOverflow) { () throws(NormalizationError) in
            try BuckinghamPi(exponents: [[.max, 3], [.max - 1, 5], [7, .max - 2]])
        }
        expectError(.shapeMismatch) { () throws(NormalizationError) in
            try BuckinghamPi(exponents: [[1], [2]]).products(of: [1])
        }
    }

    private let numbers = [
        DynamicQuantity(1000, DimensionExponents(length: -3, mass: 1)), DynamicQuantity(1.7, SI.Velocity.exponents),
        DynamicQuantity(0.3, SI.Length.exponents),
        DynamicQuantity(1e-3, DimensionExponents(length: -1, mass: 1, time: -1)),
    ]

    /// Powers of two scale exactly, so that the product keeps its bits; other sizes round each of ten factors once.
    @Test func productsDoNotDependOnUnits() throws {
        let groups = try BuckinghamPi(Self.flow)
        let report = try UnitInvarianceReport(
            of: numbers, in: [try UnitSystem("powers of two", length: 0x1p-9, mass: 0x1p17, time: 4)]
        ) { try groups.products(of: $0) }
        #expect(report.isBitwiseInvariant && report.largestDeviation == 0)
        let decimal = try UnitInvarianceReport(
            of: numbers, in: [try UnitSystem("foot and pound", length: 0.3048, mass: 0.45)]
        ) {
            try groups.products(of: $0)
        }
        #expect(decimal.largestDeviation < 1e-14)
    }

    @Test func aSumOfDifferentDimensionsIsFound() throws {
        let cgs = try UnitSystem("CGS", length: 0.01, mass: 0.001)
        let report = UnitInvarianceReport(of: numbers, in: [cgs]) { [$0[0] + $0[1]] }
        #expect(report.worst?.units == cgs && report.largestDeviation > 0.5 && !report.isBitwiseInvariant)
        #expect(UnitInvarianceReport(of: numbers, in: [cgs]) { _ in [Double.nan] }.largestDeviation == 0)
        #expect(
            UnitInvarianceReport(of: numbers, in: [cgs]) { [$0[0] == 1000 ? 1 : .nan] }.largestDeviation == .infinity)
        expectError(.invalidParameter) { () throws(NormalizationError) in try UnitSystem("none", time: 0) }
    }
}
