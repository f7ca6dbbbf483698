/// Whole studies take minutes without optimisation; `swift test -c release` runs them.
enum StudyTests {
    #if DEBUG
        static let areOptimized = false
    #else
        static let areOptimized = true
    #endif
}
