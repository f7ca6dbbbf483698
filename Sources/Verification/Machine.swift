internal import Foundation
internal import Normalization

/// What stands beside figures that are kept.
package enum Machine {
    /// The processor, how many cores of it, the instruction set.
    package static var description: String {
        let cpu = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let model = cpu.split(separator: "\n").first { $0.hasPrefix("model name") }
        let name = model?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown CPU"
        return "\(name), \(ProcessInfo.processInfo.activeProcessorCount) cores, \(InstructionSet.chosen.rawValue)"
    }

    /// Now, in ISO 8601.
    package static var date: String { Date.now.formatted(.iso8601) }
}
