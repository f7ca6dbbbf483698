// ArcCosineKernel: what a wide random ReLU layer does to the angle between two inputs.

internal import Foundation

/// The cosine between two inputs of equal energy after one random ReLU layer of infinite width.
///
/// ```
/// f(c) = (sqrt(1 - c²) + c (π - arccos c)) / π
/// ```
///
/// f(c) > c below 1: each such layer moves inputs towards each other, whatever norm keeps their energies. Computed from
/// the distance δ = 1 - c, which keeps its digits near c = 1. There `1 - f(c) = δ - (2 sqrt(2) / (3π)) δ^1.5`, so that
/// the distance after l layers is `(9π² / 2) / l²`. Source: Cho and Saul, "Kernel Methods for Deep Learning", 2009.
public enum ArcCosineKernel {
    /// 1 - f(1 - δ), for a distance δ in 0 ... 2. What rounding put outside is taken as the bound.
    public static func distance(_ distance: Double) -> Double {
        let distance = min(max(distance, 0), 2)
        let angle = 2 * asin((distance / 2).squareRoot())
        return distance - (sin(angle) - angle * cos(angle)) / Double.pi
    }

    /// f(c).
    public static func cosine(_ c: Double) -> Double { 1 - distance(1 - c) }

    /// The distance where LayerNorm takes away the mean over features after the ReLU: `distance(δ) · π / (π - 1)`.
    /// Orthogonal inputs stay so, and those closer than that move apart.
    public static func centredDistance(_ distance: Double) -> Double {
        self.distance(distance) * Double.pi / (Double.pi - 1)
    }
}
