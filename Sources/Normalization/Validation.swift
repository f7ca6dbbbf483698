// Checks that the operators share. Each throws before anything is written.

internal import Tensors

/// The extent of the last axis, which is normalized.
func validatedColumns(of shape: Shape, argument: String) throws(NormalizationError) -> Int {
    guard let columns = shape.extents.last, columns > 0 else {
        throw NormalizationError(
            .invalidShape, argument: argument, expected: "a last axis of at least one element",
            given: "shape \(shape)")
    }
    return columns
}

/// The number of features or channels of a layer.
func validate(featureCount: Int, argument: String) throws(NormalizationError) {
    let count = try Shape([featureCount]).validatedCount(argument: argument, elementSize: MemoryLayout<Float>.stride)
    guard count > 0 else {
        throw NormalizationError(.invalidShape, argument: argument, expected: "at least 1", given: "\(featureCount)")
    }
}

/// Rows in a flat sequence of `count` elements.
func validatedRows(count: Int, columns: Int, argument: String) throws(NormalizationError) -> Int {
    guard columns > 0 else {
        throw NormalizationError(.invalidShape, argument: "columns", expected: "at least 1", given: "\(columns)")
    }
    guard count % columns == 0 else {
        throw NormalizationError(
            .shapeMismatch, argument: argument, expected: "a multiple of \(columns) elements", given: "\(count)")
    }
    return count / columns
}

func validate(count: Int?, is expected: Int, argument: String) throws(NormalizationError) {
    guard let count, count != expected else { return }
    throw NormalizationError(.shapeMismatch, argument: argument, expected: "\(expected) elements", given: "\(count)")
}

func validate(shape: Shape, is expected: Shape, argument: String) throws(NormalizationError) {
    guard shape != expected else { return }
    throw NormalizationError(.shapeMismatch, argument: argument, expected: "shape \(expected)", given: "\(shape)")
}

/// A tensor that is written as a whole.
func validate<Output, Element>(
    output: Tensor<Output>, like x: Tensor<Element>, argument: String
) throws(NormalizationError) {
    try validate(shape: output.shape, is: x.shape, argument: argument)
    guard output.isContiguous else {
        throw NormalizationError(
            .unsupportedLayout, argument: argument, expected: "contiguous elements", given: "strides \(output.strides)")
    }
}

/// A parameter vector: one element a column. (Optional chaining, because `guard let` would retain the tensor: 6 ns.)
func validate<Parameter: KernelElement>(parameter: Tensor<Parameter>?, columns: Int, argument: String) throws(NormalizationError) {
    let isVector = (parameter?.shape.rank ?? 1) == 1
    guard isVector, (parameter?.shape[0] ?? columns) == columns else {
        throw NormalizationError(
            .shapeMismatch, argument: argument, expected: "shape [\(columns)]", given: "\(parameter?.shape ?? [])")
    }
}

func validate(epsilon: Float) throws(NormalizationError) {
    guard epsilon >= 0, epsilon.isFinite else {
        throw NormalizationError(
            .invalidEpsilon, argument: "epsilon", expected: "a finite number of at least 0", given: "\(epsilon)")
    }
}

func validate(finite number: Float, argument: String) throws(NormalizationError) {
    guard number.isFinite else {
        throw NormalizationError(.invalidParameter, argument: argument, expected: "a finite number", given: "\(number)")
    }
}

func validate(_ number: Int, isWithin range: ClosedRange<Int>, argument: String) throws(NormalizationError) {
    guard range.contains(number) else {
        let expected = range.upperBound == .max ? "at least \(range.lowerBound)" : "within \(range)"
        throw NormalizationError(.outOfRange, argument: argument, expected: expected, given: "\(number)")
    }
}
