import Foundation
import NormalizationDiagnostics
import Testing

@Suite struct MeanFieldPredictionTests {
    @Test func branchGains() throws {
        #expect(try MeanFieldPrediction.branchGain(width: 64, hiddenWidth: 64) == 0.5)
        #expect(abs(try MeanFieldPrediction.branchGain(width: 64, hiddenWidth: 256) - 0.32) < 1e-15)
        #expect(throws: NormalizationError.self) { try MeanFieldPrediction.branchGain(width: 0, hiddenWidth: 1) }
        #expect(throws: NormalizationError.self) { try MeanFieldPrediction(branchGain: 0, placement: nil) }
        #expect(throws: NormalizationError.self) { try MeanFieldPrediction(branchGain: .nan, placement: nil) }
    }

    @Test func energies() throws {
        func energy(_ network: MeanFieldPrediction.Network, _ layer: Int) throws -> Double {
            try MeanFieldPrediction(branchGain: 0.5, network: network).activationEnergy(layer: layer)
        }
        #expect(try energy(.plain, 3) == 0.125)
        #expect(try energy(.residual(nil), 2) == 2.25)
        #expect(try energy(.residual(.preNorm), 10) == 6)
        #expect(try energy(.residual(.postNorm), 10) == 1)
        #expect(try energy(.residual(.branchOutputNorm), 10) == 11)
        #expect(try energy(.residual(.periNorm), 10) == 11)
        #expect(try energy(.normOfActivations, 10) == 1)
    }

    /// Energies are products of factors, and pre-norm's gradients run as 1 / (1 + κ l). 1e-12: some fifty roundings.
    @Test(arguments: NormPlacement.allCases) func factorsMultiply(placement: NormPlacement) throws {
        let theory = try MeanFieldPrediction(branchGain: 0.3, placement: placement)
        let product = (0..<20).reduce(1) { $0 * theory.activationFactor(layer: $1) }
        #expect(abs(product / theory.activationEnergy(layer: 20) - 1) < 1e-12)
        let gradient = theory.gradientEnergy(layer: 4, depth: 20)
        #expect(abs(gradient - theory.activationEnergy(layer: 20) / theory.activationEnergy(layer: 4)) < 1e-12)
    }

    /// f by its definition: the mean of relu(u) relu(v), over that of relu(u)², by a sum over the angle of (u, v),
    /// which the radius factors out of: an integral of smooth pieces, so that 20,000 midpoints err by 1e-8.
    @Test(arguments: [-0.9, -0.3, 0, 0.5, 0.99]) func arcCosineIsTheMeanOverNormals(c: Double) {
        let steps = 20_000
        var (product, square) = (0.0, 0.0)
        for step in 0..<steps {
            let angle = 2 * Double.pi * (Double(step) + 0.5) / Double(steps)
            let (u, v) = (cos(angle), c * cos(angle) + (1 - c * c).squareRoot() * sin(angle))
            product += max(u, 0) * max(v, 0)
            square += max(u, 0) * max(u, 0)
        }
        #expect(abs(ArcCosineKernel.cosine(c) - product / square) < 1e-7)
        // Less the square of the mean, 1/π of the mean square.
        let centred = (product / square - 1 / Double.pi) / (1 - 1 / Double.pi)
        #expect(abs(1 - ArcCosineKernel.centredDistance(1 - c) - centred) < 1e-7)
    }

    /// δ - (2√2/(3π)) δ^1.5 for small δ, where 1 - f(c) itself would have no digits left. The next term is of order
    /// δ^2.5.
    @Test func smallDistancesKeepTheirDigits() {
        let d = 1e-10
        let shrinkage = d - ArcCosineKernel.distance(d)
        #expect(abs(shrinkage / (2 * 2.0.squareRoot() / (3 * Double.pi) * pow(d, 1.5)) - 1) < 1e-5)
    }

    @Test func distancesStartWhereTheyAreTold() throws {
        let theory = try MeanFieldPrediction(branchGain: 0.5, network: .normOfActivations)
        // Orthogonal inputs stay so behind LayerNorm of activations.
        #expect(theory.pairDistances(depth: 5).allSatisfy { abs($0 - 1) < 1e-12 })
        #expect(theory.pairDistances(depth: 0, from: 0.25) == [0.25])
    }
}
