internal import Normalization

/// S10: what BatchNorm in a discriminator lets through from sample to sample, and LayerNorm does not.
package struct GANStudy: Study {
    package init() {}

    package var number: Int { 10 }
    package var name: String { "gan" }

    package var story: StudyStory {
        StudyStory(
            title: "Discriminators: BatchNorm leaks between samples",
            claim:
                "BatchNorm in a GAN's discriminator mixes real and generated samples through shared statistics, which "
                    + "leaks information and adds noise to the generator's gradient. LayerNorm treats each sample "
                    + "alone and trains stably.",
            question: "How large is the leak, what noise does it make, and is a discriminator better for LayerNorm?",
            prediction: [
                "∂x̂_i/∂z_j = (δ_ij - (1 + x̂_i x̂_j)/N)/s through BatchNorm over N samples; 0 for i ≠ j through "
                    + "LayerNorm.",
                "The leak from the real half to the generated one is Σ (1 + x̂_i x̂_j)²/(N s)²: 1/(2 s²) for one "
                    + "distribution, 0 for two separate points.",
                "Drawing the real half again moves one generated sample's derivative by 1/(2 sqrt(N)) of it.",
                "Outputs of BatchNorm have a constant sum, so that ∇_x Σ D(x_i) = 0 under a linear head.",
                "BatchNorm over separate batches erases where each distribution lies and how wide it is.",
            ],
            method:
                "Identities in double precision and by probes of pullbacks on the float32 kernels. Then 21 adversarial "
                    + "nets on a ring of eight Gaussians: seven kinds of discriminator, three seeds, a mode being a "
                    + "centre with more than 20 of 2000 samples within 0.1.",
            verdict: .partly,
            verdictText:
                "The leak is exact and its gradient ruins the toy, its noise does not; no norm at all does better than "
                    + "LayerNorm, and BatchNorm over separate batches fails without any leak.",
            corrections: [
                "LayerNorm is not better here than no normalization (6.0, 3.3, 5.3 modes against 6.8, 7.8, 7.1). The "
                    + "honest statement: BatchNorm hurts, LayerNorm keeps a normalization and couples nothing.",
                "BatchNorm fails in both regimes: by coupling where the batch is joint, by blindness where real and "
                    + "generated samples have batches of their own.",
                "The noise is not what ruins the toy. Joint statistics without the gradient through them make more "
                    + "noise (0.58 to 0.82 of the gradient, against 0.28 to 0.47) and hold 4.2 to 4.8 modes. It is the "
                    + "gradient through shared statistics; in this toy, for three seeds.",
                "Virtual BatchNorm, by a fixed batch of real samples, couples nothing and held 3.5, 3.8 and 3.4 modes. "
                    + "That batch passes through the same weights, so the gradient must go through its moments: with "
                    + "them as constants 0.3, 5.7 and 0.3 modes were left.",
                "Numbers of modes depend on the start: from Xavier's weights instead of variance 1/(3 inputs) "
                    + "LayerNorm held 2.0 to 5.9. That joint BatchNorm holds less than one does not.",
                "Many programs show the discriminator only generated samples in the generator's step. Then no real "
                    + "sample leaks, but the two steps use different statistics.",
                "Coupling is not always bad: minibatch discrimination and packing couple samples on purpose, against "
                    + "collapse.",
                "A gradient penalty taken from the sum of all results is wrong under BatchNorm, silently. "
                    + "gradientNormPenalty refuses such a critic.",
                "Probe while training: running statistics leak nothing, and neither do two sets that are perfectly "
                    + "apart.",
            ],
            tools: [
                "BatchLeakageProbe(at: batch) { x in (logits, pullback) }  // the matrix of ‖∂logit_i/∂x_j‖, and "
                    + "whether it is diagonal.",
                "gradientNormPenalty(of: critic, at: x)  // WGAN-GP's penalty and its gradient; a typed error for "
                    + "coupled samples.",
                "BatchScope.perSource([32, 32])  // or .joint, or .reference(moments): whose moments BatchNorm takes",
            ],
            sources: [
                "Ioffe, Szegedy, Batch Normalization, 2015",
                "Salimans et al., Improved Techniques for Training GANs, 2016",
                "Gulrajani et al., Improved Training of Wasserstein GANs, 2017",
            ])
    }

    package func run(_ context: StudyContext) throws -> StudyResult {
        context.progress("identities")
        let leak = try BatchLeak(backend: context.backend)
        let noise = [16, 64, 256].map { OneChannel.noise(batch: $0) }
        var result = StudyResult(
            seeds: RingEffects.seeds,
            parameters: [
                "generator 2-64-64-2, ReLU; discriminator 2-64-64-1, LeakyReLU 0.2",
                "Adam at 1e-3 (0.5, 0.999), batch 64 + 64, \(RingEffects.iterations) iterations",
                "eight Gaussians, radius 2, deviation 0.02", "2000 draws of real samples for the noise",
            ],
            checks: OneChannel.checks() + (try leak.checks()) + [try SeparateBatches.check(backend: context.backend)]
                + noise.dropFirst().map(Self.noiseCheck),
            tables: [
                Table(
                    "Noise of ∂x̂_i/∂z_i, real samples drawn again", columns: ["N", "measured", "1/(2 sqrt(N))"],
                    rows: noise.map { ["\($0.batch)", TableCell.fixed($0.measured, 4), TableCell.fixed($0.law, 4)] })
            ],
            figures: [try leak.figure(noise)])
        guard context.mode == .full else {
            result.notMeasured = "modes, gradient noise and leaks of nets in training on the ring"
            return result
        }
        let ring = try RingEffects(context)
        result.checks += ring.checks
        result.tables += ring.tables
        result.figures += ring.figures
        return result
    }

    private static func noiseCheck(_ noise: OneChannel.Noise) -> Check {
        Check(
            .law,
            "Through BatchNorm of N = \(noise.batch) samples, drawing the real half again moves a generated sample's "
                + "derivative by 1/(2 sqrt(N)) of it (relative standard deviation), to 25 %.",
            .relative(noise.law, 0.25), observed: noise.measured,
            mutant: ("the real half stays", OneChannel.noise(batch: noise.batch, resampling: false).measured))
    }
}
