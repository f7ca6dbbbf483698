/// The dimensionless products of some variables, by exact arithmetic (Buckingham, "On Physically Similar Systems",
/// 1914).
///
/// With exponents a[i][b] of base quantity b in variable i, a product x₁^n₁ · x₂^n₂ · … is a pure number where Σᵢ nᵢ
/// a[i][b] = 0 for every b. There are as many independent ones as variables minus the rank of a, and a function of the
/// variables does not depend on units exactly if it is a function of these products.
///
/// ```swift
/// let groups = try BuckinghamPi([
///     ("density", DimensionExponents(length: -3, mass: 1)), ("velocity", SI.Velocity.exponents),
///     ("diameter", SI.Length.exponents), ("viscosity", DimensionExponents(length: -1, mass: 1, time: -1)),
/// ])
/// print(groups)                       // density velocity diameter viscosity^-1: Reynolds' number
/// ```
public struct BuckinghamPi: Hashable, Sendable {
    public let names: [String]
    /// That of the matrix of exponents.
    public let rank: Int
    /// Exponents of the variables in each product: integers without a common divisor, the first of them above 0.
    public let groups: [[Int]]

    /// - Throws: `NormalizationError` if integers grow beyond 64 bits.
    public init(_ variables: [(name: String, exponents: DimensionExponents)]) throws(NormalizationError) {
        try self.init(exponents: variables.map(\.exponents.array), names: variables.map(\.name))
    }

    /// - Parameters:
    ///   - exponents: One row a variable, one column a base quantity of any kind.
    ///   - names: Of the variables, for the description; nil: x1, x2, …
    /// - Throws: `NormalizationError` for rows of different lengths, a count of names that differs, or integers that
    ///   grow beyond 64 bits.
    public init(exponents: [[Int]], names: [String]? = nil) throws(NormalizationError) {
        let bases = exponents.first?.count ?? 0
        guard exponents.allSatisfy({ $0.count == bases }) else {
            throw NormalizationError(
                .shapeMismatch, argument: "exponents", expected: "\(bases) in every row",
                given: "\(exponents.map(\.count))")
        }
        let names = names ?? exponents.indices.map { "x\($0 + 1)" }
        guard names.count == exponents.count else {
            throw NormalizationError(
                .shapeMismatch, argument: "names", expected: "\(exponents.count) names", given: "\(names.count)")
        }
        let columns = (0..<bases).map { base in exponents.map { $0[base] } }
        guard let (rank, groups) = nullSpace(of: columns, unknowns: exponents.count) else {
            throw NormalizationError(
                .sizeOverflow, argument: "exponents", expected: "integers that stay within 64 bits",
                given: "\(exponents)")
        }
        self.names = names
        self.rank = rank
        self.groups = groups
    }

    /// The products of `values`, one a group, by repeated multiplication.
    ///
    /// - Throws: `NormalizationError` if there is not one value a variable.
    public func products(of values: [Double]) throws(NormalizationError) -> [Double] {
        guard values.count == names.count else {
            throw NormalizationError(
                .shapeMismatch, argument: "values", expected: "\(names.count) values", given: "\(values.count)")
        }
        return groups.map { group in
            zip(values, group).reduce(1) { product, factor in
                let power = power(factor.0, abs(factor.1))
                return factor.1 < 0 ? product / power : product * power
            }
        }
    }
}

extension BuckinghamPi: CustomStringConvertible {
    /// A line a group.
    public var description: String {
        groups.map { group in
            zip(names, group).filter { $0.1 != 0 }.map { $0.1 == 1 ? $0.0 : "\($0.0)^\($0.1)" }.joined(separator: " ")
        }.joined(separator: "\n")
    }
}

/// The rank of an integer matrix and a basis of its null space in integers without common divisors, or nil if integers
/// overflow. Rows are combined without fractions and divided by their greatest common divisor at once.
private func nullSpace(of matrix: [[Int]], unknowns: Int) -> (rank: Int, basis: [[Int]])? {
    var rows = matrix
    var pivots: [Int] = []
    for column in 0..<unknowns {
        guard let found = rows[pivots.count...].firstIndex(where: { $0[column] != 0 }) else { continue }
        let pivot = pivots.count
        rows.swapAt(found, pivot)
        for row in rows.indices where row != pivot && rows[row][column] != 0 {
            let (p, q) = (rows[pivot][column], rows[row][column])
            guard let combined = combination(p, rows[row], q, rows[pivot]) else { return nil }
            rows[row] = combined
        }
        pivots.append(column)
    }
    var basis: [[Int]] = []
    for free in 0..<unknowns where !pivots.contains(free) {
        // The free unknown is the least common multiple of the pivots, so that the others are integers.
        var multiple = 1
        for (row, column) in pivots.enumerated() where rows[row][free] != 0 {
            let pivot = abs(rows[row][column])
            let (product, overflow) = (multiple / greatestCommonDivisor(multiple, pivot))
                .multipliedReportingOverflow(by: pivot)
            if overflow { return nil }
            multiple = product
        }
        var vector = [Int](repeating: 0, count: unknowns)
        vector[free] = multiple
        for (row, column) in pivots.enumerated() {
            let (product, overflow) = rows[row][free].multipliedReportingOverflow(by: multiple / rows[row][column])
            if overflow || product == .min { return nil }
            vector[column] = -product
        }
        basis.append(reduced(vector))
    }
    return (pivots.count, basis)
}

/// (a · x - b · y) / its greatest common divisor, or nil if an integer overflows.
private func combination(_ a: Int, _ x: [Int], _ b: Int, _ y: [Int]) -> [Int]? {
    var result: [Int] = []
    for (x, y) in zip(x, y) {
        let (first, overflow1) = a.multipliedReportingOverflow(by: x)
        let (second, overflow2) = b.multipliedReportingOverflow(by: y)
        let (difference, overflow3) = first.subtractingReportingOverflow(second)
        if overflow1 || overflow2 || overflow3 || difference == .min { return nil }
        result.append(difference)
    }
    return reduced(result)
}

/// Without a common divisor, the first that is not 0 above it.
private func reduced(_ vector: [Int]) -> [Int] {
    let divisor = vector.reduce(0) { greatestCommonDivisor($0, abs($1)) }
    guard divisor > 0, let first = vector.first(where: { $0 != 0 }) else { return vector }
    return vector.map { $0 / (first < 0 ? -divisor : divisor) }
}

private func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : greatestCommonDivisor(b, a % b) }
