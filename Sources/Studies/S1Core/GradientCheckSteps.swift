// How far a gradient check can see: the error of central differences by step and precision.

private import ReferenceKernels
private import TrainingKit

enum GradientCheckSteps {
    private static func error<Scalar: BinaryFloatingPoint>(step: Scalar) -> Double {
        var random = RandomStream(seed: 0, stream: 151)
        let x = random.normals(16).map { Scalar(Float($0)) }
        let dy = random.normals(16).map { Scalar(Float($0)) }
        func loss(_ x: [Scalar]) -> Scalar {
            let y = PlainNorm<Scalar>.forward(.layerNorm, x, columns: 16, weight: nil, bias: nil, epsilon: 1e-5)
            return zip(y, dy).reduce(0) { $0 + $1.0 * $1.1 }
        }
        let gradient = PlainRow(x.map { Double($0) }, epsilon: 1e-5).jacobianProduct(dy.map { Double($0) })
        let differences = x.indices.map { index in
            var (up, down) = (x, x)
            up[index] += step
            down[index] -= step
            return Double((loss(up) - loss(down)) / (up[index] - down[index]))
        }
        return Vectors.error(differences, gradient)
    }

    static func table() -> Table {
        Table(
            "Error of central differences of LayerNorm, relative to the largest derivative (d = 16)",
            columns: ["step", "float64", "float32"],
            rows: [1e-1, 1e-2, 1e-3, 1e-5, 1e-7].map { step in
                [
                    TableCell.significant(step, 2), TableCell.significant(error(step: step), 2),
                    TableCell.significant(error(step: Float(step)), 2),
                ]
            })
    }
}
