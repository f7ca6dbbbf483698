// The report: everything is on the page, and nothing on it is taken for markup.

import Foundation
import Studies
import Testing

@Suite struct Reports {
    @Test func thePageHoldsEveryWordAndNumberOfAStudy() throws {
        let records = Running.records(FakeStudy(), FakeStudy(number: 2, name: "second"))
        let html = try ReportPage(records).html()
        for check in FakeStudy.passingChecks {
            #expect(html.contains(check.claim.escaped), "\(check.claim)")
            #expect(html.contains(check.observedText) && html.contains(check.gate.text.escaped))
            #expect(html.contains(check.mutant.change.escaped) && html.contains(check.mutantText))
        }
        let story = FakeStudy().story
        for text in [story.title, story.claim, story.method, story.verdictText] + story.prediction + story.corrections
            + story.sources
        {
            #expect(html.contains(text.escaped), "\(text)")
        }
        #expect(html.contains("<code>x + F(LN(x))</code>"), "backticks mark code")
        #expect(html.contains("<code>try probe.record(activation: x, layer: l)</code>"), "code before a comment sign")
        #expect(html.contains("your own layers &amp; what they mean") && html.contains("A tool without code."))
        #expect(html.contains("Energy after L blocks") && html.contains("2.8×10¹⁵"))
        #expect(html.contains("href=\"#second\"") && html.contains("id=\"second\""))
    }

    /// Neither the network nor a script: one file for any reader.
    @Test func thePageNeedsNothingElse() throws {
        let html = try ReportPage(Running.records(FakeStudy(), FakeStudy(name: "second"))).html()
        #expect(
            !html.contains("<script") && !html.contains("src=") && !html.contains("@import") && !html.contains("url("))
        #expect(!html.replacing("http://www.w3.org/2000/svg", with: "").contains("http"))
        #expect(!html.contains("{{") && !html.contains("}}"), "every tag of the templates was filled")
    }

    @Test func textIsNotMarkup() throws {
        let hostile = "<script>alert('x')</script> & \"quotes\" `a < b`"
        let check = Check(.exact, hostile, .atMost(1), observed: 0, mutant: (hostile, 2))
        let html = try ReportPage(Running.records(FakeStudy(checks: [check]))).html()
        #expect(!html.contains("<script") && html.contains("<code>a &lt; b</code>"))
        #expect(html.contains("Residual networks &lt;deep&gt; &amp;"))
    }

    @Test func failuresStandOut() throws {
        let vacuous = Check(.law, "vacuous", .atMost(1), observed: 0, mutant: ("nothing was changed", 0.5))
        let html = try ReportPage(
            Running.records(
                FakeStudy(checks: [vacuous]), FakeStudy(number: 2, name: "thrown", error: FakeStudy.Failure()))
        ).html()
        #expect(html.contains("it passes, so this check shows nothing") && html.contains("0 of 1 checks pass"))
        #expect(html.contains("This study ended with an error"))
    }

    @Test func oneStudyNeedsNoFrontPage() throws {
        let html = try ReportPage(Running.records(FakeStudy())).html()
        #expect(!html.contains("class=\"cards\"") && html.contains("<section class=\"study\""))
    }

    @Test func filesAreWritten() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: folder) }
        let page = ReportPage(Running.records(FakeStudy()))
        try page.write(to: folder.path)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        #expect(names == ["fake-study-1.svg", "fake-study-2.svg", "fake-study.json", "report.html"])
        let json = try String(contentsOf: folder.appendingPathComponent("fake-study.json"), encoding: .utf8)
        #expect(try StudyRecord(json: json).passes)
        // For a look at the page: STUDY_REPORT=/some/folder keeps a copy.
        if let kept = ProcessInfo.processInfo.environment["STUDY_REPORT"] {
            let failing = Check(.law, "A claim that fails.", .atMost(1), observed: 2, mutant: ("its mutant", 0.5))
            try ReportPage(
                Running.records(
                    FakeStudy(), FakeStudy(number: 2, name: "second"),
                    FakeStudy(number: 3, name: "third", checks: [failing]),
                    FakeStudy(number: 4, name: "thrown", error: FakeStudy.Failure()))
            ).write(to: kept)
        }
    }
}

extension String {
    /// As it stands on a page.
    fileprivate var escaped: String {
        replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing(
            "\"", with: "&quot;")
    }
}
