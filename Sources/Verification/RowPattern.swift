/// Kinds of rows, the kind ones and the hostile ones.
package enum RowPattern: Hashable, Sendable, CustomStringConvertible {
    /// Nearly normal, plus a common offset.
    case offset(Float)
    /// Nearly normal with one element replaced.
    case outlier(Float)
    /// Nearly normal, but far away where the kernels take a sample for the mean.
    case misleading(Float)
    /// Nearly normal times a scale.
    case scale(Float)
    /// One value everywhere.
    case constant(Float)
    /// One value with random signs.
    case signs(Float)
    /// +0 and -0 in turns.
    case signedZeros
    /// Largest finite values of both signs in turns.
    case extremes
    /// Nearly normal with one NaN or infinity.
    case poisoned(Float)

    package static let hostile: [RowPattern] = [
        .offset(1e6), .outlier(1e7), .outlier(-3e38), .misleading(1e6), .scale(1e-30), .scale(1e30), .scale(0x1p-139), .scale(5e37),
        .constant(0.1), .constant(-1e30), .constant(0x1p-133), .signedZeros, .extremes, .poisoned(.nan),
        .poisoned(.infinity), .poisoned(-.infinity),
    ]

    package func row(_ columns: Int, random: inout RandomNumbers) -> [Float] {
        var row = random.normals(columns)
        let special = Int(random.nextBits() % UInt64(columns))
        switch self {
        case .offset(let offset): row = row.map { $0 + offset }
        case .outlier(let value), .poisoned(let value): row[special] = value
        case .misleading(let offset):
            for quarter in 0..<4 where columns > 64 {
                let first = (2 * quarter + 1) * columns / 8 - 8
                for column in first..<first + 16 { row[column] += offset }
            }
        case .scale(let scale): row = row.map { $0 * scale }
        case .constant(let value): row = row.map { _ in value }
        case .signs(let value): row = row.map { $0 < 0 ? -value : value }
        case .signedZeros: row = row.indices.map { $0 % 2 == 0 ? 0 : -0.0 }
        case .extremes: row = row.indices.map { $0 % 2 == 0 ? .greatestFiniteMagnitude : -.greatestFiniteMagnitude }
        }
        return row
    }

    package var description: String {
        switch self {
        case .offset(let offset): "offset \(offset)"
        case .outlier(let value): "one outlier \(value)"
        case .misleading(let offset): "a sample off by \(offset)"
        case .scale(let scale): "scale \(scale)"
        case .constant(let value): "constant \(value)"
        case .signs(let value): "\(value) of both signs"
        case .signedZeros: "signed zeros"
        case .extremes: "largest values of both signs"
        case .poisoned(let value): "one \(value)"
        }
    }
}
