/// Rows to eight-bit integers, in plain Swift: q = round(y / scale), scale = max|y| / 127.
package enum RowQuantization {
    package static func quantize(_ y: [Float], columns: Int) -> (values: [Int8], scales: [Float]) {
        var values: [Int8] = []
        var scales: [Float] = []
        for first in stride(from: 0, to: y.count, by: columns) {
            let row = y[first..<first + columns]
            guard row.allSatisfy(\.isFinite) else {
                scales.append(.nan)
                values += row.map { _ in 0 }
                continue
            }
            let largest = row.reduce(0) { max($0, abs($1)) }
            scales.append(largest / 127)
            let lift: Float = largest < 0x1p-100 ? 0x1p100 : 1  // keeps the quotient finite
            let steps = largest == 0 ? 0 : 127 / (largest * lift)
            values += row.map { Int8(($0 * lift * steps).rounded(.toNearestOrEven)) }
        }
        return (values, scales)
    }
}
