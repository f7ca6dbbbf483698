internal import ArgumentParser

/// The command-line tool: thin, each subcommand in its own file.
@main
struct Normalize: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "normalize",
        abstract: "Looks into the normalization kernels of this machine.",
        subcommands: [ISA.self, StudyCommand.self, Verify.self])
}
