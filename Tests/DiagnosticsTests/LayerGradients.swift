// Gradients of the layers for series and graphs against central differences.

import NormalizationDiagnostics

/// Fixed, irregular numbers within -2 ... 2.
func irregular(_ shape: Shape, start: Int = 0) throws -> Tensor<Float> {
    let count = shape.extents.reduce(1, *)
    return try Tensor(
        (0..<count).map { index in
            let k = index + start + 1
            return Float((k * k * 7919 + k * 104_729) % 2003) / 500.75 - 2
        }, shape: shape)
}

/// How far a layer's gradient is from central differences of a fixed projection of its output, relative to the largest
/// element; NaN if all are 0.
///
/// The projection is summed in `Double`; float32 differences with step h err by about 2^-24 / h + h², 1e-3 and less at
/// 1e-2. Choose numbers whose largest gradient is far above that.
func gradientError(
    at x: Tensor<Float>, step: Float = 1e-2,
    _ layer: (Tensor<Float>) throws -> (value: Tensor<Float>, pullback: (Tensor<Float>) throws -> Tensor<Float>)
) throws -> Double {
    let (value, pullback) = try layer(x)
    let projection = try irregular(value.shape, start: 17)
    func loss(_ elements: [Float]) throws -> Double {
        let y = try layer(Tensor(elements, shape: x.shape)).value
        return zip(y.array, projection.array).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    let gradient = try pullback(projection).array.map(Double.init)
    let scale = gradient.map(abs).max() ?? 0
    var worst = 0.0
    for index in gradient.indices {
        var (up, down) = (x.array, x.array)
        up[index] += step
        down[index] -= step
        let difference = (try loss(up) - loss(down)) / (Double(up[index]) - Double(down[index]))
        worst = max(worst, abs(difference - gradient[index]))
    }
    return worst / scale
}
