/// What was wrong with a call: which argument, what was expected, what was given.
///
/// Every throwing function of this package throws this type, before it has written any output.
public struct NormalizationError: Error, Hashable, Sendable {
    /// The kinds of mistakes, for code that has to tell them apart.
    public enum Reason: Hashable, Sendable {
        /// A shape or a count differs from what the other arguments need.
        case shapeMismatch
        /// An extent is negative, there is no last axis, or the last axis is empty.
        case invalidShape
        /// The elements would not fit the address space.
        case sizeOverflow
        /// An axis, an index or a range is outside the tensor.
        case outOfRange
        /// A cache has no room for the rows.
        case capacityExceeded
        /// The memory layout does not allow this without a copy.
        case unsupportedLayout
        /// Epsilon is negative, infinite or NaN.
        case invalidEpsilon
        /// Offsets that do not begin with 0, decrease, or do not end at the count that they cut.
        case invalidOffsets
        /// Moments of no elements, or with a negative sum of squares.
        case invalidMoments
        /// A number that is NaN, infinite or outside its range.
        case invalidParameter
        /// Quantities of different physical dimensions.
        case dimensionMismatch
        /// A model whose result for one sample depends on the other samples of the batch, where none may.
        case coupledSamples
        /// An argument is nil that the others need.
        case missingArgument
        /// A thread count below one.
        case invalidThreadCount
        /// This build or this machine does not have the instruction set.
        case unavailableInstructionSet
        /// This build links no BLAS.
        case unavailableBLAS
        /// The kernel library refused the call for a reason that this module does not check itself.
        case kernelRefused
    }

    public let reason: Reason
    /// The argument's label or name as it stands in the function's documentation.
    public let argument: String
    public let expected: String
    public let given: String

    public init(_ reason: Reason, argument: String, expected: String, given: String) {
        self.reason = reason
        self.argument = argument
        self.expected = expected
        self.given = given
    }
}

extension NormalizationError: CustomStringConvertible {
    public var description: String { "\(argument): expected \(expected), given \(given)" }
}
