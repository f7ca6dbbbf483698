public import Normalization

/// What it costs that several modalities share one scalar weight and bias: least squares with and without sharing.
///
/// ```
/// tax = min over (weight, bias) of mean (weight x + bias - t)²  -  the same with a weight and a bias for each modality
/// ```
///
/// Where each modality's input has mean 0 and variance 1, its target is a_m x + b_m plus noise, and w_m is its share of
/// the elements: weight = Σ w_m a_m, bias = Σ w_m b_m and tax = Var_w(a) + Var_w(b). Noise adds to both errors, not
/// to the tax.
///
/// ```swift
/// let tax = try ErrorTax.estimate(perModality: [(textNormalized, textWanted), (audioNormalized, audioWanted)])
/// print(tax.tax, "±", tax.standardError)   // the error that separate parameters would save, per element
/// print(tax.excess)                        // who pays: the minority, mostly
/// ```
public struct ErrorTax: Hashable, Sendable {
    /// The shared parameters of least error.
    public let weight: Double
    public let bias: Double
    /// Each modality's own.
    public let weights: [Double]
    public let biases: [Double]
    /// The mean square error with shared parameters, less `separateError`.
    public let tax: Double
    /// Of `tax`, from the spread of the elements' differences; they are taken as independent.
    public let standardError: Double
    /// The mean square error with separate parameters: the noise.
    public let separateError: Double
    /// For each modality the mean square error that sharing adds. Weighted with the shares these add up to `tax`.
    public let excess: [Double]

    /// - Parameter perModality: For each modality the normalized inputs and what they should become, of the same
    ///   shape. Its share is that of its elements.
    /// - Throws: `NormalizationError` if there is no modality, shapes differ, or a modality's inputs do not vary.
    public static func estimate<Element: KernelElement>(
        perModality: [(input: Tensor<Element>, target: Tensor<Element>)]
    ) throws(NormalizationError) -> ErrorTax {
        for (input, target) in perModality where input.shape != target.shape {
            throw NormalizationError(
                .shapeMismatch, argument: "target", expected: "shape \(input.shape)", given: "\(target.shape)")
        }
        return try estimate(
            perModality: perModality.map { pair in
                (pair.input.widened().array.map { Double($0) }, pair.target.widened().array.map { Double($0) })
            })
    }

    /// The same of arrays in double precision.
    public static func estimate(
        perModality: [(input: [Double], target: [Double])]
    ) throws(NormalizationError) -> ErrorTax {
        try Requirement.that(
            !perModality.isEmpty, argument: "perModality", expected: "at least one modality", given: "none")
        for (input, target) in perModality {
            try Requirement.count(target.count, is: input.count, argument: "target")
            try Requirement.that(
                input.contains { $0 != input[0] }, argument: "input", expected: "numbers that vary",
                given: "\(input.count) equal ones")
        }
        let own = perModality.map { line(of: [$0]) }
        let shared = line(of: perModality)
        var (excess, squares, separate) = ([Double](), 0.0, 0.0)
        for (modality, line) in zip(perModality, own) {
            var sum = 0.0
            for (x, t) in zip(modality.input, modality.target) {
                let ownError = line.weight * x + line.bias - t
                let sharedError = shared.weight * x + shared.bias - t
                let difference = sharedError * sharedError - ownError * ownError
                sum += difference
                squares += difference * difference
                separate += ownError * ownError
            }
            excess.append(sum / Double(modality.input.count))
        }
        let count = Double(perModality.reduce(0) { $0 + $1.input.count })
        let tax = zip(excess, perModality).reduce(0) { $0 + $1.0 * Double($1.1.input.count) / count }
        return ErrorTax(
            weight: shared.weight, bias: shared.bias, weights: own.map(\.weight), biases: own.map(\.bias), tax: tax,
            standardError: (Swift.max(squares / count - tax * tax, 0) / count).squareRoot(),
            separateError: separate / count, excess: excess)
    }

    /// The line of least squares through all pairs.
    private static func line(of pairs: [(input: [Double], target: [Double])]) -> (weight: Double, bias: Double) {
        let count = Double(pairs.reduce(0) { $0 + $1.input.count })
        let meanX = pairs.reduce(0) { $1.input.reduce($0, +) } / count
        let meanT = pairs.reduce(0) { $1.target.reduce($0, +) } / count
        var (xx, xt) = (0.0, 0.0)
        for (input, target) in pairs {
            for (x, t) in zip(input, target) {
                xx += (x - meanX) * (x - meanX)
                xt += (x - meanX) * (t - meanT)
            }
        }
        return (xt / xx, meanT - xt / xx * meanX)
    }
}

extension ErrorTax {
    /// A modality whose target is weight · x + bias, for a prediction without data.
    public struct Ideal: Hashable, Sendable {
        public var weight: Double
        public var bias: Double
        /// Its share of the elements; shares are divided by their sum.
        public var share: Double
        /// Of its inputs.
        public var mean: Double
        public var variance: Double

        public init(weight: Double, bias: Double, share: Double, mean: Double = 0, variance: Double = 1) {
            self.weight = weight
            self.bias = bias
            self.share = share
            self.mean = mean
            self.variance = variance
        }
    }

    /// The tax in closed form: S_tt - S_xt² / S_xx, with the second moments of all modalities together.
    ///
    /// - Throws: `NormalizationError` if shares or variances are negative, or the inputs do not vary.
    public static func predicted(_ ideals: [Ideal]) throws(NormalizationError) -> (
        weight: Double, bias: Double, tax: Double
    ) {
        let total = ideals.reduce(0) { $0 + $1.share }
        try Requirement.that(
            total > 0 && ideals.allSatisfy { $0.share >= 0 && $0.variance >= 0 }, argument: "ideals",
            expected: "shares and variances of at least 0, some share above 0", given: "\(ideals)")
        func mean(_ value: (Ideal) -> Double) -> Double { ideals.reduce(0) { $0 + $1.share / total * value($1) } }
        let meanX = mean { $0.mean }
        let meanT = mean { $0.weight * $0.mean + $0.bias }
        let xx = mean { $0.variance + ($0.mean - meanX) * ($0.mean - meanX) }
        try Requirement.that(xx > 0, argument: "ideals", expected: "inputs that vary", given: "\(ideals)")
        let xt = mean {
            $0.weight * $0.variance + ($0.mean - meanX) * ($0.weight * $0.mean + $0.bias - meanT)
        }
        let tt = mean {
            let deviation = $0.weight * $0.mean + $0.bias - meanT
            return $0.weight * $0.weight * $0.variance + deviation * deviation
        }
        return (xt / xx, meanT - xt / xx * meanX, tt - xt * xt / xx)
    }
}
