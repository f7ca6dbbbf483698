internal import ArgumentParser
internal import Normalization
internal import Verification

struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Compares every operator on every instruction set and thread count with the reference.",
        discussion: "Prints a table; exits with 1 on any difference.")

    func run() throws {
        let cases = try LayerNormVerification.realCases() + LayerNormVerification.syntheticCases()
        print("operator".padded(to: 24) + "data".padded(to: 38) + "backend   compared  different")
        var total = BitComparison()
        let rows =
            try LayerNormVerification.verify(cases) + RowNormVerification.verify() + OperatorCase.verify(OperatorCase.all())
            + ChannelNormVerification.verify(ChannelNormVerification.cases())
            + RowMomentsVerification.verify(LayerNormVerification.syntheticCases())
        for row in rows {
            print(
                row.operation.padded(to: 24) + row.data.padded(to: 38) + row.backend.padded(to: 10)
                    + "\(row.comparison.compared)".padded(to: 10) + "\(row.comparison.different)")
            total.add(row.comparison)
        }
        let missing = InstructionSet.allCases.filter { !InstructionSet.available.contains($0) }.map(\.rawValue)
        print("threads \(LayerNormVerification.threadCounts); not on this machine: \(missing.joined(separator: ", "))")
        print("\(total.compared) elements compared, \(total.different) different")
        if total.different > 0 { throw ExitCode.failure }
    }
}
