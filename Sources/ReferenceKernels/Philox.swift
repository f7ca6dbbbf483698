package import Tensors

/// Philox 4×32-10: four words of random bits for a counter of four words and a key of two.
package enum Philox {
    package static func words(counter: SIMD4<UInt32>, key: UInt64) -> SIMD4<UInt32> {
        var c = counter
        var (key0, key1) = (UInt32(truncatingIfNeeded: key), UInt32(truncatingIfNeeded: key >> 32))
        for _ in 0..<10 {
            let even = UInt64(0xD251_1F53) * UInt64(c[0])
            let odd = UInt64(0xCD9E_8D57) * UInt64(c[2])
            c = [
                UInt32(truncatingIfNeeded: odd >> 32) ^ c[1] ^ key0, UInt32(truncatingIfNeeded: odd),
                UInt32(truncatingIfNeeded: even >> 32) ^ c[3] ^ key1, UInt32(truncatingIfNeeded: even),
            ]
            key0 &+= 0x9E37_79B9
            key1 &+= 0xBB67_AE85
        }
        return c
    }
}

extension Dropout {
    /// Whether an element is kept: its word is not below probability · 2^32. Sixteen columns share a counter's words.
    package func keeps(row: Int, column: Int) -> Bool {
        let (block, place) = column.quotientAndRemainder(dividingBy: 64)
        let row = UInt64(row)
        let counter: SIMD4<UInt32> = [
            UInt32(truncatingIfNeeded: 16 * block + place % 16), UInt32(truncatingIfNeeded: row),
            UInt32(truncatingIfNeeded: row >> 32), 0,
        ]
        return Philox.words(counter: counter, key: seed)[place / 16] >= UInt32(Double(probability) * 0x1p32)
    }
}
