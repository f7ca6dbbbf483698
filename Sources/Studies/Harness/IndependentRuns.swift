// IndependentRuns: training runs that share nothing, beside each other on all cores.

private import Dispatch
internal import Normalization
private import Synchronization

extension StudyContext {
    /// The results of `run` for each item, in the order of items.
    ///
    /// A run is given a backend of one thread: nets of studies are small, and cores are busy with other runs. It draws
    /// its random numbers itself, so that results do not depend on how many run at once.
    func independentRuns<Item: Sendable, Result: Sendable>(
        of items: [Item], _ run: @Sendable (Item, Backend) throws -> Result
    ) throws -> [Result] {
        let backend = backend.onOneThread
        let results = Mutex([Int: Swift.Result<Result, any Error>]())
        DispatchQueue.concurrentPerform(iterations: items.count) { index in
            let result = Swift.Result { try run(items[index], backend) }
            results.withLock { $0[index] = result }
        }
        return try results.withLock { results in try items.indices.compactMap { try results[$0]?.get() } }
    }
}

extension Backend {
    fileprivate var onOneThread: Backend {
        switch self {
        case .automatic: .kernels(threads: 1)
        case .kernels(let instructionSet, _): .kernels(instructionSet, threads: 1)
        case .reference: .reference
        }
    }
}
