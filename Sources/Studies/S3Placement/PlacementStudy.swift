// S3: pre-norm, post-norm and the two other places.

internal import Normalization
internal import Plots

package struct PlacementStudy: Study {
    package let number = 3
    package let name = "placement"

    package init() {}

    package func run(_ context: StudyContext) throws -> StudyResult {
        let isQuick = context.mode == .quick
        let seeds: [UInt64] = isQuick ? [0, 1, 2, 3] : [0, 1, 2, 3, 4, 5]
        context.progress("transformers at initialisation")
        let laws = try PlacementLaws(seeds: seeds, backend: context.backend)
        var result = StudyResult(
            seeds: seeds,
            parameters: [
                "at initialisation: \(PlacementLaws.width) features, hidden width the same, uniform attention of one "
                    + "head, \(InitializedTransformer.sequences) sequences of \(InitializedTransformer.tokens) "
                    + "random tokens",
                "copy task: \(CopyTask.depth) blocks of \(CopyTask.width) features, 2 heads, hidden width 4d, "
                    + "Adam(0.9, 0.98), learning rate 3e-3, batch \(CopyTask.batch), \(CopyTask.steps) steps",
            ],
            checks: try laws.checks(), tables: try laws.tables(),
            figures: [
                Figure(
                    caption: "At initialisation the last gradient under post-norm does not depend on depth, that under "
                        + "pre-norm falls as 1/√L. Dashed: theory.", panels: [try laws.panel()])
            ])
        if isQuick {
            result.notMeasured = "which placements learn the copy task, with and without warm-up"
        } else {
            let training = try CopyTraining(context)
            result.checks += training.checks()
            result.tables.append(training.table())
            result.figures[0].panels.append(training.panel())
            result.figures[0].caption += " Right: losses of seed 0 on the copy task."
        }
        return result
    }
}

extension PlacementStudy {
    package var story: StudyStory {
        StudyStory(
            title: "Where the norm stands: pre-norm and post-norm",
            claim:
                "Applying LayerNorm to a residual block's output before it is added (pre-norm) gives provably more "
                + "stable "
                + "gradients than post-norm.",
            question:
                "How do activations and gradients depend on depth for each place of the norm, and which nets can be "
                + "trained without warm-up?",
            prediction: [
                "Post-norm: the norm is given energy 1 + κ (3/2 at a hidden width of d); last gradient E‖∂W‖² = "
                    + "(d/3) ‖g‖², whatever the depth.",
                "Pre-norm: h_{l+1} = h_l + ρ_l + κ, ρ the energy of the tokens' mean after the norm; last gradient "
                    + "(d/2) ‖g‖² / h_L, so its norm falls as 1/√L.",
                "Pre-norm's early blocks get larger gradients than its last ones: as √(h_L / h_1), and more where "
                    + "attention aligns the gradients of tokens.",
                "Branch-output norm and peri-norm: the stream's energy is 1 + 2L, whatever the weights' size.",
            ],
            method:
                "Transformers at initialisation in the setting of Xiong et al.: uniform attention, random gradient a "
                + "token. Then "
                + "a decoder of 12 blocks learns to copy, with each placement, with and without warm-up.",
            verdict: .partly,
            verdictText:
                "True of the last layer's gradient at the start, 1/√L, and of training without warm-up; early layers "
                + "get "
                + "larger gradients, and the common definition describes another placement.",
            corrections: [
                "A norm of a branch's output before it is added is branch-output norm (Swin V2, OLMo 2). Pre-norm, "
                    + "of which the theorem speaks, normalizes the branch's input: x + F(norm(x)).",
                "Pre-norm is not uniform over layers: at 32 blocks the first block's gradient is several times the "
                    + "last one's.",
                "Post-norm's gradients do not fade as (2/3)^(L/2). That is the product of the norms' Jacobians; the "
                    + "gradient also passes 1 + F', whose gain cancels it. What little fading there is comes from "
                    + "tokens that become alike.",
                "Post-norm is not unable to learn: with warm-up it learns the same task. Pre-norm is easier to "
                    + "start; that says nothing of where it ends.",
                "Pre-norm needs a norm behind the last block; its stream grows with depth, linearly at initialisation.",
                "The bounds 1 + l/2 and 1 + 3l/2 on the stream's energy are three times apart; the recursion above "
                    + "is what measurements can be held against.",
            ],
            tools: [
                "try GradientFlowProbe.lastLayerScaling(depths: depths, probes: probes).slope  // 0: post-norm, "
                    + "-1/2: pre-norm",
                "try MeanFieldPrediction(branchGain: 0.32, placement: .periNorm).activationEnergy(layer: 24)"
                    + "  // the energy of the stream that theory expects",
                "NormPlacement.preNorm.join(x, branch: f, norm: norm, branchNorm: norm)  // one pass over memory",
            ],
            sources: [
                "Vaswani et al., Attention Is All You Need, 2017",
                "Xiong et al., On Layer Normalization in the Transformer Architecture, 2020",
                "Shleifer, Weston, Ott, NormFormer, 2021", "Liu et al., Swin Transformer V2, 2022",
                "Kim et al., Peri-LN, 2025",
            ])
    }
}
