// What must not compile: `Tests/CompileFail/good.swift` type-checks, every other file there gives exactly the one error
// that it expects. The compiler is called on the module as this build made it.

import Foundation
import Testing

@Suite struct CompileFailTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("CompileFail")

    @Test func sourcesWithOneDimensionAVectorTypeCheck() throws {
        #expect(try Self.errors(in: ["good.swift"]).isEmpty)
    }

    @Test func mixedDimensionsDoNotCompile() throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
            .filter { $0.hasSuffix(".swift") && $0 != "good.swift" }.sorted()
        #expect(names.count >= 7)
        let errors = try Self.errors(in: ["good.swift"] + names)
        for name in names {
            let expected = try Self.expectation(in: name)
            let given = errors.filter { $0.file == name }
            #expect(
                given.count == 1 && given[0].line == expected.line && expected.error.matches(given[0].message),
                "\(name): expected \(expected), the compiler says \(given)")
        }
        #expect(errors.count == names.count, "errors elsewhere: \(errors)")
    }

    /// Wordings of one mistake count alike; another mistake, or the same one of other types, does not.
    @Test func expectationsTellErrorsApart() throws {
        let mismatch = try #require(ExpectedError("mismatch: PressureRate, TemperatureRate"))
        for message in [
            "cannot convert value of type 'TemperatureRate' to expected argument type 'PressureRate'",
            "binary operator '+' cannot be applied to operands of type 'PressureRate' and 'TemperatureRate'",
            "conflicting arguments to generic parameter 'D' ('PressureRate' vs. 'TemperatureRate')",
            "instance method 'concatenated' requires the types 'PressureRate' and 'TemperatureRate' be equivalent",
        ] { #expect(mismatch.matches(message)) }
        for message in [
            "cannot find 'TemperatureRate' in scope beside 'PressureRate'",
            "cannot convert value of type 'Quantity<PressureRate>' to expected argument type 'Int'",
            "'layerNorm' is unavailable: 'PressureRate', 'TemperatureRate'",
        ] { #expect(!mismatch.matches(message)) }
        #expect(ExpectedError("cannot convert") == nil)
    }

    private struct CompilerError {
        let file: String
        let line: Int
        let message: String
    }

    /// `// expected error: …` above the line that must not compile.
    private static func expectation(in name: String) throws -> (error: ExpectedError, line: Int) {
        let lines = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
            .split(separator: "\n", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) }
        let mark = "// expected error: "
        let index = try #require(lines.firstIndex { $0.hasPrefix(mark) }, "\(name) expects no error")
        let error = try #require(ExpectedError(String(lines[index].dropFirst(mark.count))), "\(lines[index])")
        return (error, index + 2)
    }

    /// The errors that `swiftc -typecheck` reports on these files together.
    private static func errors(in names: [String]) throws -> [CompilerError] {
        let bundle = try #require(CommandLine.arguments.first { $0.hasSuffix(".xctest") || $0.contains(".xctest/") })
        var products = URL(fileURLWithPath: bundle)
        while products.path.contains(".xctest") { products.deleteLastPathComponent() }
        let root = folder.deletingLastPathComponent().deletingLastPathComponent()
        let compiler = Process()
        compiler.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        // One job for all files, so that errors in one do not hide those of the next.
        compiler.arguments =
            ["swiftc", "-typecheck", "-whole-module-optimization", "-swift-version", "6", "-diagnostic-style", "llvm"]
            + ["-I", products.appendingPathComponent("Modules").path]
            + ["-Xcc", "-fmodule-map-file=\(root.path)/CKernels/include/module.modulemap"]
            + names.map { folder.appendingPathComponent($0).path }
        let pipe = Pipe()
        compiler.standardError = pipe
        try compiler.run()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        compiler.waitUntilExit()
        let errors = text.split(separator: "\n").compactMap(error(inDiagnostic:))
        #expect((compiler.terminationStatus == 0) == errors.isEmpty, "\(text)")
        return errors
    }

    /// "PATH/FILE:LINE:COLUMN: error: MESSAGE", or "<unknown>:0: error: MESSAGE" where no file is to blame.
    private static func error(inDiagnostic line: Substring) -> CompilerError? {
        guard let marker = line.range(of: ": error: ") else { return nil }
        let place = line[..<marker.lowerBound].split(separator: ":")
        return CompilerError(
            file: place.first?.split(separator: "/").last.map(String.init) ?? "",
            line: place.count > 1 ? Int(place[1]) ?? 0 : 0, message: String(line[marker.upperBound...]))
    }
}
