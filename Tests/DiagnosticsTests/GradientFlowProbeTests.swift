import NormalizationDiagnostics
import Testing

@Suite struct GradientFlowProbeTests {
    private func tensor(_ elements: [Float]) throws -> Tensor<Float> {
        try Tensor(elements, shape: [2, elements.count / 2])
    }

    @Test func keepsWhatItIsGiven() throws {
        var probe = GradientFlowProbe(hasInputPairs: true)
        try probe.record(activation: tensor([3, 0, 0, 1]), layer: 0)
        try probe.record(activation: tensor([1, 0, 1, 1]), layer: 1)
        try probe.record(gradient: tensor([2, 0, 0, 0]), layer: 1)
        try probe.record(weightGradient: tensor([1, 2, 3, 4]), layer: 1)
        try probe.record(weights: tensor([3, 4, 0, 0]), updatedTo: tensor([3, 4, 1, 0]), layer: 1)
        #expect(probe.layers.count == 2)
        #expect(probe.layers[0].activationEnergy == 2.5)
        #expect(probe.layers[0].pairDistance == 1)
        #expect(probe.layers[0].gradientEnergy == nil)
        #expect(probe.layers[1].gradientEnergy == 1)
        #expect(probe.layers[1].weightGradientSquare == 30)
        // Roots of exact numbers: one rounding each.
        #expect(abs(probe.layers[1].updateRatio! - 0.2) < 1e-15)
        #expect(abs(probe.layers[1].pairCosine! - 0.5.squareRoot()) < 1e-15)
    }

    /// The square of the largest float is no float, but a double.
    @Test func namesNonFiniteLayersOnly() throws {
        var probe = GradientFlowProbe()
        let largest = Float.greatestFiniteMagnitude
        try probe.record(activation: tensor([largest, largest]), layer: 0)
        try probe.record(activation: tensor([1, .infinity]), layer: 1)
        try probe.record(gradient: tensor([1, .nan]), layer: 3)
        try probe.record(weights: tensor([0, 1]), updatedTo: tensor([0, .nan]), layer: 4)
        #expect(probe.nonFiniteLayers == [1, 3, 4])
    }

    /// A halving of activations in block 1, and a doubling of gradients in block 0, in a net that should keep both.
    @Test func alarmsNameBlocksAndQuantities() throws {
        var probe = GradientFlowProbe()
        for (layer, (activation, gradient)) in zip([1, 1.1, 0.7] as [Float], [2, 1, 1] as [Float]).enumerated() {
            try probe.record(activation: tensor([activation, activation]), layer: layer)
            try probe.record(gradient: tensor([gradient, gradient]), layer: layer)
        }
        let alarms = probe.alarms(against: try MeanFieldPrediction(branchGain: 0.5, placement: .postNorm))
        #expect(alarms.map(\.layer) == [0, 1])
        #expect(alarms.map(\.quantity) == [.gradients, .activations])
        #expect(alarms.first?.measured == 4 && alarms.first?.predicted == 1)
        #expect(alarms.first?.description == "gradients, block 0: factor 4.0, predicted 1.0")
    }

    @Test func slopeOfAPowerOfDepth() throws {
        let depths = [2, 4, 4, 32]
        let probes = try depths.map { depth in
            var probe = GradientFlowProbe()
            // The norm is 2 / depth in the last layer; the first one must not count.
            try probe.record(weightGradient: tensor([7, 7]), layer: 0)
            try probe.record(weightGradient: tensor([2 / Float(depth), 0]), layer: depth)
            return probe
        }
        let scaling = try GradientFlowProbe.lastLayerScaling(depths: depths, probes: probes)
        #expect(scaling.depths == [2, 4, 32])
        #expect(abs(scaling.slope + 1) < 1e-12)
        #expect(abs(scaling.norms[0] - 1) < 1e-12)
    }

    @Test func refusesWhatDoesNotFit() throws {
        var probe = GradientFlowProbe(hasInputPairs: true)
        let x = try tensor([1, 2])
        #expect(throws: NormalizationError.self) { try probe.record(gradient: x, layer: -1) }
        #expect(throws: NormalizationError.self) { try probe.record(activation: Tensor<Float>([1]), layer: 0) }
        #expect(throws: NormalizationError.self) {
            try probe.record(activation: Tensor<Float>([1, 2, 3], shape: [3, 1]), layer: 0)
        }
        #expect(throws: NormalizationError.self) {
            try probe.record(weights: x, updatedTo: Tensor<Float>([1, 2, 3]), layer: 0)
        }
        #expect(throws: NormalizationError.self) {
            try probe.record(gradient: Tensor<Float>([], shape: [0, 2]), layer: 0)
        }
        #expect(probe.layers.isEmpty)
        #expect(throws: NormalizationError.self) {
            try GradientFlowProbe.lastLayerScaling(depths: [2, 4], probes: [probe, probe])
        }
        #expect(throws: NormalizationError.self) { try GradientFlowProbe.lastLayerScaling(depths: [2], probes: []) }
        for depths in [[2, 2], [0, 2]] {
            #expect {
                try GradientFlowProbe.lastLayerScaling(depths: depths, probes: [probe, probe])
            } throws: {
                ($0 as? NormalizationError)?.argument == "depths"  // before the probes, which have no gradient
            }
        }
    }
}
