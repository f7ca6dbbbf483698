/// A statement that was measured, and the same measurement on a deliberately false variant, its mutant, which must
/// fail: a check that nothing can fail says nothing.
package struct Check: Codable, Sendable {
    /// What is claimed, its tolerance included, as a sentence that a reader understands alone.
    package let claim: String
    package let grade: Grade
    package let gate: Gate
    package let observed: Double
    package let mutant: Mutant

    package enum Grade: String, Codable, Sendable {
        /// An identity; rounding errors are all that separates both sides.
        case exact
        /// A closed form in expectation.
        case law
        /// An outcome of training, with a margin of at least five standard deviations over seeds.
        case effect
    }

    package struct Mutant: Codable, Sendable {
        /// What was made wrong.
        package let change: String
        package let observed: Double
    }

    /// - Parameter mutant: What was made wrong, and what was measured then.
    package init(
        _ grade: Grade, _ claim: String, _ gate: Gate, observed: Double, mutant: (change: String, observed: Double)
    ) {
        self.grade = grade
        self.claim = claim
        self.gate = gate
        self.observed = observed
        self.mutant = Mutant(change: mutant.change, observed: mutant.observed)
    }

    /// Whether the claim holds and its mutant fails.
    package var passes: Bool { gate.admits(observed) && !gate.admits(mutant.observed) }
}

/// Which measured numbers agree with a claim. NaN agrees with none.
package enum Gate: Codable, Sendable {
    case within(expected: Double, tolerance: Double)
    case atMost(Double)
    case atLeast(Double)
    /// The very number: for statements about bits, and for counts.
    case equal(Double)

    /// `expected`, up to `fraction` of it.
    package static func relative(_ expected: Double, _ fraction: Double) -> Gate {
        .within(expected: expected, tolerance: abs(expected) * fraction)
    }

    package func admits(_ observed: Double) -> Bool {
        switch self {
        case .within(let expected, let tolerance): abs(observed - expected) <= tolerance
        case .atMost(let limit): observed <= limit
        case .atLeast(let limit): observed >= limit
        case .equal(let expected): observed == expected
        }
    }
}
