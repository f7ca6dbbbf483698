internal import ArgumentParser
internal import Normalization
internal import Studies
internal import Verification

struct StudyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "study",
        abstract: "Studies of what normalization does in whole systems: claims, measured.",
        subcommands: [List.self, Run.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Names and verdicts of all studies.")

        func run() {
            let width = StudyCatalogue.all.map(\.name.count).max() ?? 0
            for study in StudyCatalogue.all {
                print(
                    "S\(study.number)".padded(to: 5) + study.name.padded(to: width + 2)
                        + study.story.verdict.rawValue.padded(to: 13) + study.story.title)
            }
        }
    }

    struct Run: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Runs studies and prints their checks; exits with 1 if one fails.")

        @Argument(help: "Names as `normalize study list` prints them.") var names: [String] = []
        @Flag(help: "All studies.") var all = false
        @Flag(help: "Effects of training too: minutes instead of seconds.") var full = false
        @Option(help: "Write report.html, and for each study its JSON and figures, into this folder.") var output:
            String?
        @Option(help: "Who computes: automatic, reference, or an instruction set. The results are the same.")
        var backend = "automatic"
        @Option(help: "At most so many threads.") var threads: Int?

        func validate() throws {
            let known = StudyCatalogue.all.map(\.name)
            let unknown = names.filter { !known.contains($0) }
            guard unknown.isEmpty else {
                throw ValidationError(
                    "No study is named \(unknown.joined(separator: ", ")). There are: \(known.joined(separator: ", "))."
                )
            }
            guard all != !names.isEmpty else {
                throw ValidationError("Name studies, or ask for --all. There are: \(known.joined(separator: ", ")).")
            }
            guard threads ?? 1 >= 1 else { throw ValidationError("--threads: at least 1.") }
            _ = try chosenBackend()
        }

        func run() throws {
            let progress = ProgressLine()
            let studies = StudyCatalogue.all.filter { all || names.contains($0.name) }
            let conditions = RunConditions(
                machine: Machine.description, date: Machine.date, mode: full ? .full : .quick, backend: backend)
            let runner = StudyRunner(studies, conditions: conditions, backend: try chosenBackend())
            let records = runner.run(progress: { progress.show($0) }) { record in
                progress.clear()
                print(StudyTable(record).text)
            }
            if let output {
                try ReportPage(records).write(to: output)
                print("wrote \(output)/report.html")
            }
            if !records.allSatisfy(\.passes) { throw ExitCode.failure }
        }

        private func chosenBackend() throws -> Backend {
            switch backend {
            case "automatic": return threads.map { .kernels(threads: $0) } ?? .automatic
            case "reference": return .reference
            default:
                guard let instructionSet = InstructionSet.available.first(where: { $0.rawValue == backend }) else {
                    let available = InstructionSet.available.map(\.rawValue).joined(separator: ", ")
                    throw ValidationError("--backend: automatic, reference or, on this machine, \(available).")
                }
                return .kernels(instructionSet, threads: threads)
            }
        }
    }
}
