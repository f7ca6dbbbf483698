package import Normalization

/// Runs studies one after the other and takes their time.
package struct StudyRunner: Sendable {
    let studies: [any Study]
    let conditions: RunConditions
    let backend: Backend

    package init(_ studies: [any Study], conditions: RunConditions, backend: Backend) {
        self.studies = studies
        self.conditions = conditions
        self.backend = backend
    }

    /// A study that throws ends with its error in its record; the others run all the same.
    ///
    /// - Parameter progress: Called with what is done now.
    /// - Parameter finished: Called with each record as it is there.
    package func run(
        progress: @escaping @Sendable (String) -> Void = { _ in }, finished: (StudyRecord) -> Void = { _ in }
    ) -> [StudyRecord] {
        studies.enumerated().map { place, study in
            let prefix = "\(place + 1)/\(studies.count) \(study.name)"
            progress(prefix)
            let context = StudyContext(mode: conditions.mode, backend: backend) { progress("\(prefix): \($0)") }
            var (result, failure): (StudyResult?, String?)
            let duration = ContinuousClock().measure {
                do { result = try study.run(context) } catch { failure = "\(error)" }
            }
            let record = StudyRecord(
                study, result: result, failure: failure, seconds: duration / .seconds(1), conditions: conditions)
            finished(record)
            return record
        }
    }
}
