// Dropout's random numbers: Philox against its published vectors, and what statistics say of the kept elements.
//
// Seeds are fixed, so each test always passes or always fails. Bounds are five standard deviations: what is truly
// random leaves one of them once in 1.7 million tries, and there are fewer than two hundred here.

internal import ReferenceKernels
internal import Tensors
import Testing

@Suite struct DropoutStatisticsTests {
    /// Those of 4x32-10 in Random123's kat_vectors. (kernelcheck's family contract has them, too.)
    @Test(
        arguments: [
            ([0, 0, 0, 0], 0, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            (
                [0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff], 0xffff_ffff_ffff_ffff,
                [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
            ),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], 0x299f_31d0_a409_3822,
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
            ),
        ] as [(SIMD4<UInt32>, UInt64, SIMD4<UInt32>)])
    func publishedVectors(counter: SIMD4<UInt32>, key: UInt64, words: SIMD4<UInt32>) {
        #expect(Philox.words(counter: counter, key: key) == words)
    }

    /// Every byte of every word of counters that follow each other takes its 256 values alike. Chi-square of 255 degrees
    /// of freedom has the mean 255 and the standard deviation (2 · 255)^½.
    @Test func bytesAreUniform() {
        let counters = 1 << 13
        var counts = [[Int]](repeating: [Int](repeating: 0, count: 256), count: 16)
        for counter in 0..<counters {
            let words = Philox.words(counter: [UInt32(counter), 7, 0, 0], key: 1)
            for byte in 0..<16 { counts[byte][Int(words[byte / 4] >> UInt32(8 * (byte % 4)) & 255)] += 1 }
        }
        let expected = Double(counters) / 256
        for (byte, found) in counts.enumerated() {
            let square = found.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
            #expect(abs(square - 255) <= 5 * 510.0.squareRoot(), "byte \(byte): \(square)")
        }
    }

    static let (rows, columns) = (64, 320)

    /// p for what is kept and p - 1 for what is dropped: of mean 0 and variance p (1 - p).
    private static func centred(_ dropout: Dropout) -> [Double] {
        let p = Double(dropout.probability)
        return (0..<rows * columns).map {
            dropout.keeps(row: $0 / columns, column: $0 % columns) ? p : p - 1
        }
    }

    /// The sum of n products of independent numbers of variance v has the standard deviation n^½ v.
    private static func expectUncorrelated(
        _ a: some Sequence<Double>, _ b: some Sequence<Double>, variance: Double, _ what: String
    ) {
        var (sum, count) = (0.0, 0)
        for (x, y) in zip(a, b) { (sum, count) = (sum + x * y, count + 1) }
        #expect(count > 0 && abs(sum) <= 5 * Double(count).squareRoot() * variance, "\(what): \(sum) of \(count)")
    }

    @Test(arguments: [0.1, 0.5, 0.9] as [Float], [0, 1, 1 << 40] as [UInt64])
    func keptElements(probability: Float, seed: UInt64) throws {
        let p = Double(probability), variance = p * (1 - p)
        let kept = Self.centred(try Dropout(probability: probability, seed: seed))
        // A sum of n numbers of variance v: the rate.
        #expect(abs(kept.reduce(0, +)) <= 5 * (Double(kept.count) * variance).squareRoot(), "rate")
        // 16 columns share a counter's words with those 16 on; 64 are a block.
        for lag in [1, 2, 15, 16, 32, 48, 64, Self.columns] {
            Self.expectUncorrelated(kept, kept.dropFirst(lag), variance: variance, "columns \(lag) apart")
        }
        for other in [seed + 1, seed ^ 1 << 32, ~seed] {
            let second = Self.centred(try Dropout(probability: probability, seed: other))
            Self.expectUncorrelated(kept, second, variance: variance, "seeds \(seed) and \(other)")
        }
    }

    /// How many of eight columns that follow each other are kept is distributed like a sum of eight independent draws.
    /// At p = ½ all nine counts are likely enough for chi-square, of 8 degrees of freedom: above 49 once in 1.6e7.
    @Test(arguments: [3, 4, 5] as [UInt64])
    func runsOfEight(seed: UInt64) throws {
        let kept = Self.centred(try Dropout(probability: 0.5, seed: seed))
        var counts = [Double](repeating: 0, count: 9)
        for start in stride(from: 0, to: kept.count, by: 8) { counts[kept[start..<start + 8].count { $0 > 0 }] += 1 }
        let ways = [1.0, 8, 28, 56, 70, 56, 28, 8, 1]
        let square = (0...8).reduce(0.0) {
            let expected = Double(kept.count / 8) * ways[$1] / 256
            return $0 + (counts[$1] - expected) * (counts[$1] - expected) / expected
        }
        #expect(square <= 49, "\(square)")
    }
}
