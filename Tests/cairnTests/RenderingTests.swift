import Operations
import Testing

@testable import cairn

/// What people and programs read.
@Suite struct RenderingTests {
    @Test(arguments: [
        (0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (10_240, "10.0 KiB"), (1_048_064, "1.00 MiB"),
        (1_048_576, "1.00 MiB"), (375_809_638, "358 MiB"), (1 << 50, "1.00 PiB"),
    ])
    func bytesHaveThreeDigits(count: Int, text: String) { #expect(Units.bytes(count) == text) }

    @Test(arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (2_500_000, "2,500,000"), (-12_345, "-12,345")])
    func countsAreGrouped(count: Int, text: String) { #expect(Units.count(count) == text) }

    @Test(arguments: [
        (0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (185, "3 min 05 s"), (7800, "2 h 10 min"),
        (100_000, "1 d 3 h"), (-1, "-"), (.infinity, "-"),
    ])
    func durationsFitTheirSize(seconds: Double, text: String) { #expect(Units.duration(seconds) == text) }

    @Test func fixedDecimalsRound() {
        #expect(Units.fixed(0.999, decimals: 2) == "1.00")
        #expect(Units.fixed(-0.001, decimals: 2) == "0.00")
        #expect(Units.fixed(-1.5, decimals: 1) == "-1.5")
        #expect(Units.rate(123_456_789) == "123 MB/s" && Units.rate(1_234_567) == "1.2 MB/s")
        #expect(Units.share(35, of: 100) == "35.0 %" && Units.share(1, of: 0) == "-")
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00Z"), (951_782_399, "2000-02-28T23:59:59Z"), (951_782_400, "2000-02-29T00:00:00Z"),
        (1_735_689_599, "2024-12-31T23:59:59Z"), (4_102_444_800, "2100-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
    ])
    func timesAreUTC(seconds: Int, text: String) { #expect(UTC.iso8601(seconds) == text) }

    @Test func jsonKeepsOrderAndEscapes() {
        let value = JSON.object([
            ("z", .integer(1)), ("a", .string("\"\\\n\u{1}\u{85}é😀")), ("n", .number(1.25)), ("i", .number(.nan)),
            ("l", JSON(["x"])), ("v", .verbatim("{ }")), ("t", .bool(true)), ("o", JSON(nil as String?)),
        ])
        #expect(
            value.text
                == #"{"z":1,"a":"\"\\\n\u0001\u0085é😀","n":1.25,"i":null,"l":["x"],"v":{ },"t":true,"o":null}"#)
    }

    @Test func tablesAlignAndDefuseNames() {
        var table = Table([("NAME", .left), ("COUNT", .right)])
        table.add(["a\nb\u{1B}[2J", "1"])
        table.add(["c", "1,000"])
        #expect(table.text == "NAME              COUNT\na\\u{a}b\\u{1b}[2J      1\nc                 1,000\n")
    }

    @Test func progressTellsWhatMatters() {
        let progress = JobProgress()
        progress.begin(phase: "scan", totalCollections: 2, totalDocuments: 100, totalBytes: 1_000_000_000)
        var pace = Pace()
        pace.observe(progress.reading(), at: 10)
        progress.enter(collection: "shop.orders")
        progress.add(documents: 50, bytesIn: 500_000_000)
        progress.set(bytesStored: 100_000_000)
        pace.observe(progress.reading(), at: 12)
        let line = ProgressText.bar(progress.reading(), pace: pace)
        #expect(
            line == "scan [##########----------] 50 %  shop.orders  50 documents  250 MB/s in  50 MB/s out"
                + "  ratio 20.0 %  ETA 2.0 s")
        #expect(ProgressText.line(progress.reading(), pace: pace).hasSuffix("ETA 2.0 s"))
        #expect(ProgressText.json(progress.reading(), pace: pace).text.hasPrefix(#"{"progress":{"phase":"scan""#))
        progress.begin(phase: "commit")
        pace.observe(progress.reading(), at: 13)
        #expect(pace.seconds == 0 && pace.secondsLeft == nil)
        #expect(ProgressText.bar(progress.reading(), pace: pace) == "commit")
    }

    @Test(arguments: [
        ("mongodb://user:secret@a:1,b:2/db?replicaSet=r", "mongodb://***@a:1,b:2/db?…", true),
        ("mongodb://a/?x=y", "mongodb://a/?…", false),
        ("mongodb+srv://user@a.example.org", "mongodb+srv://***@a.example.org", false),
        ("mongodb://u:se@cret@host/db", "mongodb://***@host/db", true),
        ("mongodb://u:se?cret@host/db", "mongodb://***", true),
        ("mongodb://host/?authMechanismProperties=a:s@cret", "mongodb://***", true),
        ("secret", "(not a connection string)", false),
    ])
    func connectionStringsPrintWithoutSecrets(uri: String, text: String, holdsPassword: Bool) {
        #expect(DeploymentAccess.redacted(uri) == text)
        #expect(!DeploymentAccess.redacted(uri).contains("cret"))
        #expect(DeploymentAccess.holdsPassword(uri) == holdsPassword)
    }
}
