private import Foundation

/// Where and how studies were run: all that a result itself must not depend on.
package struct RunConditions: Codable, Sendable {
    package var machine: String
    /// ISO 8601.
    package var date: String
    package var mode: StudyContext.Mode
    package var backend: String

    package init(machine: String, date: String, mode: StudyContext.Mode, backend: String) {
        self.machine = machine
        self.date = date
        self.mode = mode
        self.backend = backend
    }
}

/// A study that was run: its words, its result or why there is none, its time. `normalize study run` writes
/// it as JSON.
package struct StudyRecord: Codable, Sendable {
    package var number: Int
    package var name: String
    package var story: StudyStory
    package var result: StudyResult?
    /// The error that ended the study.
    package var failure: String?
    package var seconds: Double
    package var conditions: RunConditions

    package var passes: Bool { failure == nil && (result?.checks.allSatisfy(\.passes) ?? false) }

    /// With sorted keys, so that two runs can be compared line by line.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
    }

    package init(json: String) throws {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        self = try decoder.decode(StudyRecord.self, from: Data(json.utf8))
    }

    init(_ study: any Study, result: StudyResult?, failure: String?, seconds: Double, conditions: RunConditions) {
        number = study.number
        name = study.name
        story = study.story
        self.result = result
        self.failure = failure
        self.seconds = seconds
        self.conditions = conditions
    }
}
