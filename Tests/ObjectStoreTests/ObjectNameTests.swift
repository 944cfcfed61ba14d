import ObjectStore
import Testing

@Suite("Object names")
struct ObjectNameTests {
    @Test(
        "accepted",
        arguments: [
            "config", "packs/ab/abcdef", "a", "0", "-", "_x", "a.b", "a..b", "a.", "tmp-1", "x/tmp", "x/lost",
            "1/2/3/4/5/6/7/8", String(repeating: "z", count: 200),
        ])
    func accepted(_ path: String) {
        #expect(ObjectName(path)?.path == path)
    }

    @Test(
        "refused",
        arguments: [
            "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", ".hidden", "a/.b", "A", "a b", "a\nb",
            "a\u{0}b", "ä", "a\\b", "a:b", "tmp", "tmp/a", "lost+found", "lost+found/a", "1/2/3/4/5/6/7/8/9",
            String(repeating: "z", count: 201), "~", "$x", "a%2e",
        ])
    func refused(_ path: String) {
        #expect(ObjectName(path) == nil)
    }

    @Test("order is that of the bytes, and the parts are found")
    func parts() throws {
        let name = ObjectName(trusted: "packs/ab/cd")
        #expect(name.parent == "packs/ab")
        #expect(name.lastSegment == "cd")
        #expect(ObjectName(trusted: "config").parent == nil)
        #expect(ObjectName(trusted: "config").lastSegment == "config")
        let sorted = ["a-b", "a.b", "a/b", "a0", "a_b", "aa"]
        #expect(sorted.map { ObjectName(trusted: $0) }.reversed().sorted().map(\.path) == sorted)
    }
}
