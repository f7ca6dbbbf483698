// ArcCosineKernel: what a wide random ReLU layer does to the angle between two inputs.

internal import Foundation

/// The cosine between two inputs of equal energy after one random ReLU layer of infinite width.
///
/// ```
/// f(c) = (sqrt(1 - c²) + c (π - arccos c)) / π
/// ```
///
/// f(c) > c below 1: each such layer moves inputs towards each other, whatever norm keeps their energies. Near 1, with
/// δ = 1 - c, `1 - f(c) = δ - (2 sqrt(2) / (3π)) δ^1.5`, so that δ after l layers is `(9π² / 2) / l²`.
/// Source: Cho and Saul, "Kernel Methods for Deep Learning", 2009.
public enum ArcCosineKernel {
    /// f(c). Cosines that rounding put outside -1 ... 1 are taken as the bound.
    public static func cosine(_ c: Double) -> Double {
        let c = min(max(c, -1), 1)
        return ((1 - c * c).squareRoot() + c * (Double.pi - acos(c))) / Double.pi
    }

    /// The same where the mean over features is taken away after the ReLU, as LayerNorm does:
    /// `(π f(c) - 1) / (π - 1)`. Orthogonal inputs stay so, and near 1 δ grows by π / (π - 1) a layer.
    public static func centredCosine(_ c: Double) -> Double {
        (Double.pi * cosine(c) - 1) / (Double.pi - 1)
    }
}
