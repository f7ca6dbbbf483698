internal import ArgumentParser

@main
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Checks every operator on real activations, then measures it against this machine's limits.",
        subcommands: [Operators.self, Sweep.self],
        defaultSubcommand: Operators.self)
}
