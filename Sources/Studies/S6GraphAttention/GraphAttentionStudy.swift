// S6: LayerNorm in graph attention, of edges or of scores. What each fixes, where it degenerates, what it caps.

internal import Plots

package struct GraphAttentionStudy: Study {
    package init() {}

    package var number: Int { 6 }
    package var name: String { "graph-attention" }

    package func run(_ context: StudyContext) throws -> StudyResult {
        let laws = SharpnessLaws(seed: 0)
        let tasks = try SelectConsensus(seed: 0, backend: context.backend)
        let edges = try EdgeNormChecks(seed: 0, backend: context.backend).run()
        let degrees = try DegreeChecks(seed: 0, backend: context.backend).checks()
        var result = StudyResult(
            seeds: [0],
            parameters: [
                "laws: 1500 draws of normal scores, 16, 32 and 64 neighbours, epsilon 0, float64",
                "tasks: 2000 nodes of 16 neighbours, keys of 16, epsilon 1e-5, the package's float32 kernels",
                "layers: Zachary's karate club, 34 members, 78 pairs, 8 random features, two heads of 16",
            ],
            checks: laws.checks() + degrees + edges.checks + tasks.checks,
            tables: laws.tables() + [tasks.table] + edges.tables,
            figures: [
                Figure(
                    caption: "Behind the norm of scores entropy is a function of the weight alone, and cannot fall "
                        + "below the cap's.",
                    panels: [laws.panel]),
                Figure(
                    caption: "The scale of the features decides for raw scores, the weight for normalized ones; which "
                        + "is better depends on the task.",
                    panels: tasks.panels),
            ])
        guard context.mode == .full else {
            result.notMeasured = "which layers learn to look up a dictionary"
            return result
        }
        let lookup = try DictionaryLookup(context: context).run()
        result.seeds = DictionaryLookup.seeds
        result.parameters.append("lookup: 32 dictionaries of 8 keys a step, 800 Adam steps at 3e-3, seeds 0 and 1")
        result.checks += lookup.checks
        result.tables.append(lookup.table)
        return result
    }

    package var story: StudyStory {
        StudyStory(
            title: "Graph attention: norm of edges, norm of scores",
            claim: "LayerNorm on edge features keeps messages of one size; LayerNorm on attention scores keeps "
                + "attention from becoming too sharp. Which one to take depends on the task.",
            question: "What does each norm fix, what does it leave free, and what happens at nodes of few edges?",
            prediction: [
                "Attention softmax(w z + b) does not depend on b; with z standardised it does not depend on the scale "
                    + "of the scores.",
                "Entropy = ln n - w²/2 - w³ skewness/3 - w⁴ excess/8 for small w; 1/Σp² = n exp(-w²) for normal "
                    + "scores.",
                "No edge gets more than 1 / (1 + (n - 1) exp(-w n / sqrt(n - 1))): 0.744 for n = 7 and w = 1.",
                "Degree 0: nothing; degree 1: attention 1; degree 2: {σ(2w), σ(-2w)} whatever the scores, with "
                    + "gradient 0.",
                "Normalized edges: ‖m‖² = d, sums of independent messages have energy Σα², linear scores are at most "
                    + "‖a - mean(a)‖ √d.",
                "Norm of edges leaves entropy to the length of a; norm of scores leaves energy to the features.",
                "Neither makes static attention dynamic: GAT cannot look up a dictionary, GATv2 can.",
            ],
            method: "Laws in float64 on random scores, the cap by gradient ascent; the package's CSR kernels and "
                + "attention layers on random graphs and Zachary's karate club; two tasks that want opposite "
                + "attention; DictionaryLookup with GAT and GATv2.",
            verdict: .partly,
            verdictText: "Norm of edges fixes energy; norm of scores makes sharpness a matter of its weight, soft or "
                + "sharp. At degrees 1 and 2 scores no longer count, and the weight caps attention.",
            corrections: [
                "The norm of scores does not keep attention soft, it makes sharpness a function of the weight. A "
                    + "fixed weight of 1 forbids what the cap forbids, worst for 7 neighbours; learn it, a weight a "
                    + "head.",
                "Keep the weight positive (softplus here): a negative one turns the ranking over. A bias is useless, "
                    + "so there is none.",
                "At nodes of one or two edges the scores have no say and no gradient. On sparse graphs that is most "
                    + "nodes.",
                "A hub and a leaf differ in sharpness at the same weight: compare H / ln n, not H.",
                "The norm couples neighbours: one far outlier makes the others alike, and self-loops change n.",
                "Say over which axis. Here: features of an edge (EdgeLayerNorm) or edges of a node "
                    + "(NeighbourhoodScoreNorm). PyTorch Geometric's LayerNorm takes all nodes and channels of a "
                    + "graph by default.",
                "Neither norm decides what can be looked up: that is GATv2's order of operations. GAT ranks the keys "
                    + "alike for all queries; what it reaches above chance, a read-out with a hidden layer takes out "
                    + "of the sum of values.",
            ],
            tools: [
                "try AttentionSharpnessReport(attention, offsets: graph.offsets)  // entropy, H / ln n, effective "
                    + "neighbours by degree",
                "ScoreNormLaws.sharpnessCap(neighbours: 7, weight: 1)  // the most that one of 7 edges can get",
                "try NeighbourhoodScoreNorm(headCount: 4)(scores, offsets: graph.offsets)  // scores of one spread a "
                    + "node",
                "try EdgeLayerNorm()(messages)  // messages of one length",
                "try layer.valueWithPullback(at: x, graph: graph)  // GATLayer or GATv2Layer with either norm, and "
                    + "gradients",
            ],
            sources: [
                "Veličković et al., Graph Attention Networks, 2018",
                "Brody, Alon, Yahav, How Attentive are Graph Attention Networks?, 2022",
                "Zachary, An Information Flow Model for Conflict and Fission in Small Groups, 1977",
            ])
    }
}
