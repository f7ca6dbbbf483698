// S8: the data, the readout of it, and the outcome of each modality.

internal import Normalization
internal import NormalizationDiagnostics
internal import TrainingKit

/// Text of scale 1 beside audio of any scale, and a target that depends on both alike.
struct TwoModalities {
    static let seeds: [UInt64] = [0, 1, 2]
    static let rows = 4000
    static let width = 64
    static let features = 2 * width
    static let penalty = 100.0

    /// Training rows, then as many test rows: text, then audio.
    private let signal: [Double]
    private let noise: [Double]
    /// Each modality's part of the target, of all rows.
    let parts: [[Double]]

    init(seed: UInt64) {
        var random = RandomStream(seed: seed, stream: 90)
        let signal = random.normals(2 * Self.rows * Self.features)
        noise = random.normals(2 * Self.rows * Self.width)
        let directions = random.normals(Self.features).map { $0 / Double(Self.width).squareRoot() }
        parts = (0..<2).map { modality in
            (0..<2 * Self.rows).map { row in
                (modality * Self.width..<(modality + 1) * Self.width).reduce(0) {
                    $0 + directions[$1] * signal[row * Self.features + $1]
                }
            }
        }
        self.signal = signal
    }

    static func segments() throws -> SegmentOffsets { try SegmentOffsets(widths: [width, width]) }

    /// What leaves one LayerNorm over both.
    ///
    /// - Parameter noiseDeviation: Of what is added to each text feature; the target does not depend on it.
    func normalized(ratio: Double, noiseDeviation: Double = 0, backend: Backend) throws -> Fit {
        var x = signal.map { Float($0) }
        for row in 0..<2 * Self.rows {
            let (first, noiseFirst) = (row * Self.features, row * Self.width)
            for column in 0..<Self.width {
                x[first + column] += Float(noiseDeviation * noise[noiseFirst + column])
                x[first + Self.width + column] *= Float(ratio)
            }
        }
        let y = try layerNorm(Tensor(x, shape: [2 * Self.rows, Self.features]), backend: backend)
        return try Fit(y, parts: parts)
    }

    /// The normalized rows and their normal equations.
    struct Fit {
        let training: Tensor<Float>
        private let test: [Double]
        private let parts: [[Double]]
        /// Targets: the whole, text's part, audio's part.
        let equations: NormalEquations

        init(_ y: Tensor<Float>, parts: [[Double]]) throws {
            training = try y.sliced(0..<rows)
            test = try y.sliced(rows..<2 * rows).array.map { Double($0) }
            let known = parts.map { Array($0[0..<rows]) }
            equations = NormalEquations(
                rows: training.array.map { Double($0) }, features: features,
                targets: [zip(known[0], known[1]).map { $0 + $1 }] + known)
            self.parts = parts
        }

        /// Of a ridge readout from features that are multiplied by `weight`: what each modality explains of its own
        /// part.
        func outcome(weight: [Double], penalty: Double) throws -> OutcomeGap {
            let predictions = predictions(weight: weight, penalty: penalty)
            return try OutcomeGap.explainedVariance([
                ("text", predictions[0], Array(parts[0][rows...])), ("audio", predictions[1], Array(parts[1][rows...])),
            ])
        }

        /// Of the whole target.
        func explained(weight: [Double], penalty: Double) -> Double {
            let predictions = predictions(weight: weight, penalty: penalty)
            return coefficientOfDetermination(
                zip(predictions[0], predictions[1]).map { $0 + $1 },
                of: zip(parts[0][rows...], parts[1][rows...]).map { $0 + $1 })
        }

        /// On the test rows, from text's features and from audio's.
        func predictions(weight: [Double], penalty: Double) -> [[Double]] {
            guard let solution = equations.scaled(by: weight).solve(penalty: penalty)?[0] else { return [] }
            let readout = zip(solution, weight).map { $0 * $1 }
            return (0..<2).map { modality in
                (0..<rows).map { row in
                    (modality * width..<(modality + 1) * width).reduce(0) {
                        $0 + readout[$1] * test[row * features + $1]
                    }
                }
            }
        }

        /// On the test rows, from all features but the last: they add up to 0, and a readout from all of them is not
        /// unique.
        func independentPrediction(weight: [Double], penalty: Double) -> [Double] {
            let count = features - 1
            let equations = equations.leading(count).scaled(by: Array(weight[0..<count]))
            guard let solution = equations.solve(penalty: penalty)?[0] else { return [] }
            return (0..<rows).map { row in
                (0..<count).reduce(0) { $0 + solution[$1] * weight[$1] * test[row * features + $1] }
            }
        }

        /// How much of text's part the whole prediction keeps: a slope too, which does not depend on how a readout
        /// that is not unique divides its work among the features.
        func keptText(weight: [Double], penalty: Double) -> Double {
            let target = parts[0][rows...]
            let prediction = independentPrediction(weight: weight, penalty: penalty)
            return zip(prediction, target).reduce(0) { $0 + $1.0 * $1.1 } / target.reduce(0) { $0 + $1 * $1 }
        }

        /// How much of text's part its prediction keeps: the slope of one over the other.
        func shrinkage(weight: [Double], penalty: Double) -> Double {
            let prediction = predictions(weight: weight, penalty: penalty)[0]
            let target = parts[0][rows...]
            return zip(prediction, target).reduce(0) { $0 + $1.0 * $1.1 } / target.reduce(0) { $0 + $1 * $1 }
        }

        var plain: [Double] { [Double](repeating: 1, count: features) }

        /// Equal energy a feature, from the training rows.
        func balanced() throws -> [Double] {
            var balance = try EnergyBalancedAffine(segments: TwoModalities.segments(), target: .perFeature)
            try balance.observe(training)
            balance.freeze()
            return try balance.balancedWeight()
        }

        /// The steps of gradient descent from 0 on half the mean square until each modality's prediction has 0.9 of
        /// its part (as a fraction between steps).
        func stepsToLearn(weight: [Double], rate: Double) -> [Double] {
            let scaled = equations.scaled(by: weight)
            let (gram, moments) = (scaled.gram, scaled.moments)
            let energies = parts.map { $0[0..<rows].reduce(0) { $0 + $1 * $1 } }
            var readout = [Double](repeating: 0, count: features)
            var (steps, learned, reached) = (0.0, [0.0, 0.0], [Double?](repeating: nil, count: 2))
            while reached.contains(nil), steps < 20_000 {
                var gradient = moments[0]
                for row in 0..<features {
                    var sum = 0.0
                    for column in 0..<features { sum += gram[row * features + column] * readout[column] }
                    gradient[row] -= sum
                }
                for index in 0..<features { readout[index] += rate / Double(rows) * gradient[index] }
                for modality in 0..<2 where reached[modality] == nil {
                    let columns = modality * width..<(modality + 1) * width
                    let now = columns.reduce(0) { $0 + readout[$1] * moments[modality + 1][$1] } / energies[modality]
                    if now >= 0.9 { reached[modality] = steps + (0.9 - learned[modality]) / (now - learned[modality]) }
                    learned[modality] = now
                }
                steps += 1
            }
            return reached.map { $0 ?? .infinity }
        }
    }
}
