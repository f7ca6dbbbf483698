extension DepthStudy {
    package var story: StudyStory {
        StudyStory(
            title: "Residual paths and LayerNorm in very deep nets",
            claim:
                "Residual connections and LayerNorm together keep signals and gradients from vanishing or exploding, "
                + "so that "
                + "nets of any depth train.",
            question:
                "What does each of the two do to the size of activations and gradients, and to the difference of two "
                + "inputs, over many blocks?",
            prediction: [
                "A branch F(u) = W₂ relu(W₁ u) has the energy gain κ = 2 d h / (d + h)²: 1/2 if hidden and outer "
                    + "width are equal.",
                "Energies a block, forward and backward: plain κ, κ; residual 1 + κ, 1 + κ; LayerNorm of "
                    + "pre-activations 1, 1; LayerNorm behind the ReLU and BatchNorm 1, π/(π - 1) = 1.467; post-norm "
                    + "1, 1.",
                "Pre-norm: activations 1 + κ l, gradients proportional to 1 / (1 + κ l).",
                "Distance δ = 1 - cosine of two inputs: LayerNorm alone (9π²/2)/l², post-norm (1 + 1/κ)² times that, "
                    + "pre-norm (1 + √2/(3π) ln(1 + κ l))^-2.",
            ],
            method:
                "Seven kinds of nets are built of the same random matrices; a GradientFlowProbe records every layer "
                + "and "
                + "MeanFieldPrediction stands beside it. Then five of them learn two spirals at 8 and 64 blocks.",
            verdict: .partly,
            verdictText:
                "True for sizes at initialisation, and not enough to train: post-norm is gradient-neutral, forgets its "
                + "input as 1/l², and stays at chance at 64 blocks where pre-norm learns.",
            corrections: [
                "LayerNorm alone keeps the norm of gradients and still loses the inputs: after l blocks two of them "
                    + "differ by (9π²/2)/l². A residual path slows that ninefold; only together with pre-norm does it "
                    + "become logarithmic.",
                "That a block normalizes the sum of stream and branch is post-norm. It neither vanishes nor "
                    + "explodes, and does not train at 64 blocks with Adam at 1e-3; a tenth of that rate suffices. "
                    + "Sizes are necessary, not sufficient.",
                "Where the norm stands matters as much as that it is there: behind the ReLU, gradients explode by "
                    + "1.467 a block, because the norm takes away the mean and amplifies what is left.",
                "κ depends on the hidden width: 1/2 holds for a hidden width equal to d, 0.32 for 4d.",
                "Energies of deep plain nets scatter as exp of a normal number: average their logarithms.",
                "Adam hides the scale of gradients: without norms losses of 1e5 come on the way, and it depends on "
                    + "the seed whether a run of 64 blocks recovers.",
            ],
            tools: [
                "try probe.record(activation: x, layer: l)  // GradientFlowProbe: energies and cosines of your own "
                    + "layers",
                "probe.alarms(against: try MeanFieldPrediction(branchGain: 0.32, placement: .preNorm))  // blocks "
                    + "off theory",
                "probe.nonFiniteLayers  // the layers, by index, in which something overflowed",
                "try MeanFieldPrediction.branchGain(width: 512, hiddenWidth: 2048)  // κ of a Xavier ReLU branch",
            ],
            sources: [
                "He, Zhang, Ren, Sun, Delving Deep into Rectifiers, 2015",
                "Xiong et al., On Layer Normalization in the Transformer Architecture, 2020",
                "Yang et al., A Mean Field Theory of Batch Normalization, 2019",
                "Cho, Saul, Kernel Methods for Deep Learning, 2009",
            ])
    }
}
