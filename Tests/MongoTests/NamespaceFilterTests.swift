import Mongo
import Testing

@Suite struct NamespaceFilterTests {
    private func admits(_ namespace: Namespace, _ include: [String], _ exclude: [String] = []) -> Bool {
        NamespaceFilter(include: include, exclude: exclude).admits(namespace)
    }

    @Test func patterns() {
        let plain = Namespace("shop", "orders")
        #expect(admits(plain, []))
        #expect(admits(plain, ["*"]))
        #expect(admits(plain, ["shop.*"]))
        #expect(admits(plain, ["shop"]))
        #expect(admits(plain, ["shop.orders"]))
        #expect(admits(plain, ["*.orders"]))
        #expect(admits(plain, ["s*p.o*s"]))
        #expect(!admits(plain, ["shop.order"]))
        #expect(!admits(plain, ["sho"]))
        #expect(!admits(plain, ["orders"]))
        #expect(!admits(plain, ["shop.*"], ["shop.orders"]))
        #expect(!admits(plain, [], ["*"]))
    }

    @Test func oddNames() {
        for name in ["a.b.c", "with space", "$dollar", "line\nfeed", "ünïcode", "star*", "back\\slash"] {
            let namespace = Namespace("d", name)
            let escaped = name.replacing("\\", with: "\\\\").replacing("*", with: "\\*")
            #expect(admits(namespace, ["d." + escaped]), "\(name)")
            #expect(!admits(Namespace("d", name + "x"), ["d." + escaped]), "\(name)")
            #expect(admits(namespace, ["d.*"]))
        }
        #expect(!admits(Namespace("d", "starling"), ["d.star\\*"]))
    }

    @Test func namesThatOnlyNormalisationMakesEqualAreTwo() {
        let composed = Namespace("d", "\u{E9}")
        let decomposed = Namespace("d", "e\u{301}")
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed]).count == 2)
        #expect(!admits(composed, [decomposed.description]))
    }

    @Test func renames() {
        let rename = NamespaceRename(from: "shop.*", to: "copy.old_*")
        #expect(rename?.apply(to: Namespace("shop", "a.b")) == Namespace("copy", "old_a.b"))
        #expect(rename?.apply(to: Namespace("other", "a")) == nil)
        #expect(NamespaceRename(from: "a.*", to: "b.c") == nil)
        #expect(NamespaceRename(from: "*.x*", to: "*_2.y*")?.apply(to: Namespace("d", "xz")) == Namespace("d_2", "yz"))
        #expect(NamespaceRename(from: "a.b", to: "c.d")?.apply(to: Namespace("a", "b")) == Namespace("c", "d"))
    }
}
