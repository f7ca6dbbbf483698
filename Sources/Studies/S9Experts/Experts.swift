// S9: the experts whose outputs are normalized.

internal import TrainingKit

struct Experts {
    static let rows = 8000
    static let features = 32
    static let means = [0.0, 1, -1, 2]
    static let deviations = [0.5, 1, 2, 4]

    /// One row after the other.
    let outputs: [Double]
    /// For each row its expert.
    let routing: [Int]

    /// Experts that differ in the mean and the scale of a row.
    static func ofMagnitude() -> Experts {
        Experts(stream: 100) { expert, _, noise in means[expert] + deviations[expert] * noise }
    }

    /// Experts that differ in the vector around which their rows lie.
    static func ofDirection() -> Experts {
        var random = RandomStream(seed: 0, stream: 101)
        let centres = random.normals(means.count * features).map { 1.5 * $0 }
        return Experts(stream: 102) { expert, column, noise in centres[expert * features + column] + noise }
    }

    private init(stream: UInt64, element: (_ expert: Int, _ column: Int, _ noise: Double) -> Double) {
        var random = RandomStream(seed: 0, stream: stream)
        let routing = (0..<Self.rows).map { _ in random.index(below: Self.means.count) }
        outputs = (0..<Self.rows * Self.features).map {
            element(routing[$0 / Self.features], $0 % Self.features, random.normal())
        }
        self.routing = routing
    }

    var frequencies: [Double] {
        Self.means.indices.map { expert in
            Double(routing.reduce(0) { $0 + ($1 == expert ? 1 : 0) }) / Double(Self.rows)
        }
    }
}
