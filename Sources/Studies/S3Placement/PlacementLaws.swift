// PlacementLaws: sizes of streams and of gradients at initialisation, for each place of the norm.

internal import Foundation
internal import Normalization
internal import NormalizationDiagnostics
internal import Plots

struct PlacementLaws {
    static let width = 128
    static let depths = [2, 4, 8, 16, 32]
    private typealias Flow = InitializedTransformer.Flow

    private var flows: [NormPlacement: [Int: [Flow]]] = [:]
    private var wideSums: [Double] = []
    /// h_L at weights of twice the size, 8 blocks.
    private var strong: [NormPlacement: [Double]] = [:]
    static let strongDepth = 8

    init(seeds: [UInt64], backend: Backend) throws {
        for seed in seeds {
            let net = try InitializedTransformer(
                width: Self.width, depth: Self.depths.max() ?? 0, seed: seed, backend: backend)
            for placement in NormPlacement.allCases {
                let depths = [NormPlacement.preNorm, .postNorm].contains(placement) ? Self.depths : [32]
                for depth in depths {
                    flows[placement, default: [:]][depth, default: []].append(try net.flow(placement, depth: depth))
                }
            }
            let wide = try InitializedTransformer(
                width: Self.width, hiddenWidth: 4 * Self.width, depth: 2, seed: seed, backend: backend)
            wideSums += try wide.flow(.postNorm, depth: 2).sumEnergies.map(\.feedForward)
            let strongNet = try InitializedTransformer(
                width: Self.width, depth: Self.strongDepth, scale: 2, seed: seed, backend: backend)
            for placement in NormPlacement.allCases {
                strong[placement, default: []].append(
                    try strongNet.flow(placement, depth: Self.strongDepth).energy(Self.strongDepth))
            }
        }
    }

    private func flows(_ placement: NormPlacement, _ depth: Int) -> [Flow] { flows[placement]?[depth] ?? [] }

    private func mean(_ placement: NormPlacement, _ depth: Int, _ quantity: (Flow) -> Double) -> Double {
        FlowCurves.mean(flows(placement, depth).map(quantity))
    }

    private func geometricMean(_ placement: NormPlacement, _ depth: Int, _ quantity: (Flow) -> Double) -> Double {
        exp(mean(placement, depth) { log(quantity($0)) })
    }

    func scaling(_ placement: NormPlacement) throws -> DepthScaling {
        let pairs = Self.depths.flatMap { depth in flows(placement, depth).map { (depth, $0.probe) } }
        return try GradientFlowProbe.lastLayerScaling(depths: pairs.map(\.0), probes: pairs.map(\.1))
    }
}

// MARK: - Laws

extension PlacementLaws {
    /// What 12 blocks add to pre-norm's energy, over Σ (ρ + 1/2).
    ///
    /// - Parameter tokenMeanEnergy: ρ of every block; nil: as measured.
    private func recursionRatio(tokenMeanEnergy: Double? = nil) -> Double {
        mean(.preNorm, 16) { $0.energy(12) - 1 }
            / mean(.preNorm, 16) { flow in
                flow.tokenMeanEnergies.prefix(12).reduce(0) { $0 + (tokenMeanEnergy ?? $1) + 0.5 }
            }
    }

    private enum GradientLaw { case post, pre }

    /// E‖∂W‖² of the last block, measured over predicted.
    private func lastGradient(_ placement: NormPlacement, _ depth: Int, by law: GradientLaw) -> Double {
        mean(placement, depth) { flow in
            let energy = law == .pre ? flow.energy(depth) : 1.5
            return flow.weightGradientSquare(depth - 1) / (Double(Self.width) / 2 / energy)
        }
    }

    private func firstOverLast(_ placement: NormPlacement, _ depth: Int) -> Double {
        geometricMean(placement, depth) {
            ($0.weightGradientSquare(0) / $0.weightGradientSquare(depth - 1)).squareRoot()
        }
    }

    /// The gradient's norm a block on the way back, and what the norms' Jacobians alone would make of it.
    private var postGradientFactor: (measured: Double, normsAlone: Double) {
        let measured = geometricMean(.postNorm, 32) { pow($0.gradientEnergy(0) / $0.gradientEnergy(32), 1 / 64) }
        let alone = geometricMean(.postNorm, 32) { flow in
            let sum = flow.sumEnergies.reduce(0) { $0 + log($1.attention) + log($1.feedForward) }
            return exp(-sum / 64)
        }
        return (measured, alone)
    }

    func checks() throws -> [Check] {
        let (pre, post) = (try scaling(.preNorm), try scaling(.postNorm))
        let strongLaw = Double(1 + 2 * Self.strongDepth)
        let sums = flows(.postNorm, 8).flatMap { $0.sumEnergies.map(\.feedForward) }
        return [
            Check(
                .law, "What post-norm's feed-forward norm is given has energy 3/2 up to 4 %, at a hidden width of d.",
                .relative(1.5, 0.04), observed: FlowCurves.mean(sums),
                mutant: ("a hidden width of 4d, where it is 1.32", FlowCurves.mean(wideSums))),
            Check(
                .law,
                "Under pre-norm a block adds ρ + 1/2 to the energy, ρ that of the tokens' mean: over 12 blocks up to "
                    + "12 %.",
                .relative(1, 0.12), observed: recursionRatio(),
                mutant: ("tokens taken as all alike, ρ = 1", recursionRatio(tokenMeanEnergy: 1))),
            Check(
                .law, "The gradient of post-norm's last matrix has E‖∂W‖² = (d/3) ‖g‖², up to 15 % at 2 blocks.",
                .relative(1, 0.15), observed: lastGradient(.postNorm, 2, by: .post),
                mutant: ("pre-norm", lastGradient(.preNorm, 2, by: .post))),
            Check(
                .law,
                "That of pre-norm's has (d/2) ‖g‖² / h, h the stream's energy at the end: up to 15 % at 16 blocks.",
                .relative(1, 0.15), observed: lastGradient(.preNorm, 16, by: .pre),
                mutant: ("post-norm judged by pre-norm's constants", lastGradient(.postNorm, 16, by: .pre))),
            Check(
                .law, "Post-norm's last gradient does not depend on depth: slope 0 of log norm over log L, up to 0.1.",
                .within(expected: 0, tolerance: 0.1), observed: post.slope, mutant: ("pre-norm", pre.slope)),
            Check(
                .law, "Pre-norm's falls as 1/√L: slope -0.5 up to 0.1.",
                .within(expected: -0.5, tolerance: 0.1), observed: pre.slope, mutant: ("post-norm", post.slope)),
            Check(
                .law, "Pre-norm's first block gets a larger gradient than its last: at least 3 times at 32 blocks.",
                .atLeast(3), observed: firstOverLast(.preNorm, 32),
                mutant: ("post-norm", firstOverLast(.postNorm, 32))),
            Check(
                .law, "Post-norm's gradient for the stream loses less than 10 % of its norm a block at 32 blocks.",
                .atLeast(0.9), observed: postGradientFactor.measured,
                mutant: ("the norms' Jacobians alone, without 1 + F'", postGradientFactor.normsAlone)),
            Check(
                .law,
                "Behind branch-output norm the stream has energy 1 + 2L whatever the weights' size: up to 15 % at "
                    + "twice Xavier's.", .relative(strongLaw, 0.15),
                observed: FlowCurves.mean(strong[.branchOutputNorm] ?? []),
                mutant: ("pre-norm", FlowCurves.mean(strong[.preNorm] ?? []))),
            Check(
                .law, "Peri-norm likewise.", .relative(strongLaw, 0.15),
                observed: FlowCurves.mean(strong[.periNorm] ?? []),
                mutant: ("pre-norm", FlowCurves.mean(strong[.preNorm] ?? []))),
        ]
    }
}

// MARK: - Report

extension PlacementLaws {
    func tables() throws -> [Table] {
        let (pre, post) = (try scaling(.preNorm), try scaling(.postNorm))
        let gradients = Self.depths.enumerated().map { index, depth in
            [
                "\(depth)", TableCell.significant(post.norms[index]), TableCell.significant(pre.norms[index]),
                TableCell.significant(post.norms[index] / pre.norms[index] / Double(depth).squareRoot()),
                TableCell.significant(firstOverLast(.postNorm, depth)),
                TableCell.significant(firstOverLast(.preNorm, depth)),
                TableCell.significant(mean(.preNorm, depth) { $0.energy(depth) }),
                TableCell.significant(
                    geometricMean(.postNorm, depth) { ($0.gradientEnergy(0) / $0.gradientEnergy(depth)).squareRoot() }),
                TableCell.significant(mean(.postNorm, depth) { $0.tokenCosines[depth - 1] }),
                TableCell.significant(mean(.preNorm, depth) { $0.tokenCosines[depth - 1] }),
            ]
        }
        let placements = NormPlacement.allCases.map { placement in
            [
                placement.term, TableCell.significant(mean(placement, 32) { $0.energy(32) }),
                TableCell.significant(firstOverLast(placement, 32)),
                TableCell.significant(FlowCurves.mean(strong[placement] ?? [])),
            ]
        }
        return [
            Table(
                "At initialisation: gradients of the second feed-forward matrix (Frobenius norm, for a gradient of "
                    + "norm 1 at the net's end), and streams",
                columns: [
                    "blocks L", "last, post-norm", "last, pre-norm", "ratio / √L", "first/last, post-norm",
                    "first/last, pre-norm", "energy at the end, pre-norm", "gradient at start/end, post-norm",
                    "token cosine, post-norm", "token cosine, pre-norm",
                ], rows: gradients),
            Table(
                "The four placements",
                columns: [
                    "placement", "energy behind 32 blocks", "first/last gradient, 32 blocks",
                    "energy behind 8 blocks, weights twice as large",
                ], rows: placements),
        ]
    }

    func panel() throws -> Panel {
        func points(_ scaling: DepthScaling) -> [(x: Double, y: Double)] {
            zip(scaling.depths, scaling.norms).map { (Double($0), $1 / scaling.norms[0]) }
        }
        let theory = Self.depths.map { depth in
            let energies = mean(.preNorm, depth) { $0.energy(depth) }
            return (Double(depth), (mean(.preNorm, 2) { $0.energy(2) } / energies).squareRoot())
        }
        return Panel(
            "Gradient of the last block's matrix",
            .curves(
                x: Axis("blocks L", log: true), y: Axis("norm, that at 2 blocks = 1", log: true),
                series: [
                    Series("post-norm", points(try scaling(.postNorm)), .linesAndPoints),
                    Series("pre-norm", points(try scaling(.preNorm)), .linesAndPoints),
                    Series("theory, post-norm", Self.depths.map { (Double($0), 1) }, .theory),
                    Series("theory, pre-norm", theory, .theory),
                ]))
    }
}
