// The shape of a batch of time series, checked once for everything in this folder.

internal import Normalization

extension Tensor {
    /// Checks that this is [batch, time, feature] with so many features (nil: any number of at least one).
    func validateSeries(featureCount: Int? = nil, argument: String) throws(NormalizationError) {
        guard shape.rank == 3, shape[2] > 0 else {
            throw NormalizationError(
                .invalidShape, argument: argument, expected: "[batch, time, feature]", given: "shape \(shape)")
        }
        guard let featureCount, shape[2] != featureCount else { return }
        throw NormalizationError(
            .shapeMismatch, argument: argument, expected: "\(featureCount) features", given: "\(shape[2])")
    }
}
