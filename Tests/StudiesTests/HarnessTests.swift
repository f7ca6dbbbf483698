// The harness checks itself: gates, checks, the runner, the JSON.

import Foundation
import Studies
import Testing

@Suite struct Gates {
    @Test(arguments: [
        Gate.within(expected: 1, tolerance: 0.1), .atMost(1.1), .atLeast(0.9), .equal(1), .relative(-1, 0.5),
        .atMost(.infinity),
        .atLeast(-.infinity), .within(expected: 0, tolerance: .infinity),
    ]) func admitNoNaN(_ gate: Gate) {
        #expect(!gate.admits(.nan))
    }

    @Test func admitWhatTheySay() {
        #expect(Gate.within(expected: 1, tolerance: 0.5).admits(1.5))
        #expect(!Gate.within(expected: 1, tolerance: 0.5).admits(1.6))
        #expect(Gate.atMost(2).admits(2) && !Gate.atMost(2).admits(2.1))
        #expect(Gate.atLeast(2).admits(2) && !Gate.atLeast(2).admits(1.9))
        #expect(Gate.equal(2).admits(2) && !Gate.equal(2).admits(2.nextUp))
        #expect(Gate.relative(-10, 0.1).admits(-10.9) && !Gate.relative(-10, 0.1).admits(-11.1))
    }

    @Test func textTellsWhatTheGateTellsApart() {
        #expect(Gate.within(expected: 1.32, tolerance: 0.04).text == "1.32 ± 0.04")
        #expect(Gate.atMost(1e-12).text == "≤ 10⁻¹²")
        #expect(Gate.within(expected: 1, tolerance: 1e-6).text(of: 1.0000012) == "1.0000012")
        #expect(Gate.equal(0).text(of: -1.5e-7) == "−1.5×10⁻⁷")
    }
}

@Suite struct Checks {
    private func check(_ observed: Double, mutant: Double) -> Check {
        Check(.exact, "the claim", .atMost(1), observed: observed, mutant: ("the change", mutant))
    }

    @Test func passWhereTheClaimHoldsAndItsMutantFails() { #expect(check(0.5, mutant: 2).passes) }
    @Test func failWithTheClaim() { #expect(!check(2, mutant: 3).passes) }
    @Test func failWhereTheMutantPasses() { #expect(!check(0.5, mutant: 0.6).passes) }
    @Test func failWithNaN() { #expect(!check(.nan, mutant: 2).passes) }
    /// A mutant that breaks the measurement altogether does fail.
    @Test func passWithAMutantOfNaN() { #expect(check(0.5, mutant: .nan).passes) }
}

@Suite struct Running {
    private static let conditions = RunConditions(
        machine: "a machine", date: "2026-11-26T00:00:00Z", mode: .quick, backend: "automatic")

    static func records(_ studies: any Study...) -> [StudyRecord] {
        StudyRunner(studies, conditions: conditions, backend: .automatic).run()
    }

    @Test func aFailingCheckShowsInTheRecord() throws {
        let failing = Check(.law, "2 is at most 1", .atMost(1), observed: 2, mutant: ("3", 3))
        let records = Running.records(
            FakeStudy(), FakeStudy(name: "broken", checks: FakeStudy.passingChecks + [failing]))
        #expect(records.map(\.passes) == [true, false])
        #expect(records[1].summary == "4 of 5 checks pass")
    }

    @Test func anErrorEndsAStudyAndNotTheRun() throws {
        let records = Running.records(FakeStudy(name: "thrown", error: FakeStudy.Failure()), FakeStudy())
        #expect(records.map(\.passes) == [false, true])
        #expect(records[0].result == nil && records[0].failure?.contains("Failure") == true)
    }

    @Test func aStudyWithoutResultDoesNotPass() throws {
        let record = try #require(Running.records(FakeStudy(error: FakeStudy.Failure())).first)
        #expect(!record.passes)
    }

    @Test func jsonHoldsEverything() throws {
        let notANumber = Check(.law, "not a number", .atMost(1), observed: .nan, mutant: ("infinite", .infinity))
        let record = try #require(Running.records(FakeStudy(checks: [notANumber])).first)
        let json = try record.json()
        let copy = try StudyRecord(json: json)
        #expect(try copy.json() == json)
        #expect(copy.result?.checks[0].observed.isNaN == true && copy.result?.figures.count == FakeStudy.figures.count)
        #expect(copy.story.title == FakeStudy().story.title && copy.conditions.machine == "a machine")
    }

    @Test func namesAndNumbersOfTheCatalogueAreUnique() {
        let all = StudyCatalogue.all
        #expect(Set(all.map(\.name)).count == all.count)
        #expect(all.map(\.number) == all.map(\.number).sorted() && Set(all.map(\.number)).count == all.count)
        #expect(all.allSatisfy { $0.name.allSatisfy { $0 == "-" || $0.isASCII && ($0.isLowercase || $0.isNumber) } })
    }
}
