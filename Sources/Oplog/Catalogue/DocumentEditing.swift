import BSON
import Bytes

/// Changing options and index specifications field by field; what is not changed is copied unread.
extension BSONDocument {
    /// Without the fields of these names.
    func removing(_ names: String...) -> BSONDocument { filtered { !names.contains($0) } }

    /// With only the fields that `isKept` says.
    func filtered(_ isKept: (String) -> Bool) -> BSONDocument {
        rebuilt { name, element, builder in if isKept(name) { builder.append(element) } }
    }

    /// With a field set: in its place when it is there, otherwise before the first field that comes behind it in
    /// `order`, which is how the server would write it.
    func setting(_ name: String, _ value: BSONValue, order: [String]) -> BSONDocument {
        let isNew = !contains(name)
        let rank = order.firstIndex(of: name) ?? order.count
        var isDone = false
        var result = DocumentBuilder()
        copyFields(into: &result) { other, element, builder in
            let isHere = other == name || (isNew && (order.firstIndex(of: other) ?? order.count) > rank)
            if isHere, !isDone {
                builder.append(name, value)
                isDone = true
            }
            if other != name { builder.append(element) }
        }
        if !isDone { result.append(name, value) }
        return result.finish()
    }

    /// With the fields that `order` names first, in that order, and the others behind them as they stand.
    func ordered(_ order: [String]) -> BSONDocument {
        var result = DocumentBuilder()
        for name in order {
            copyFields(into: &result) { other, element, builder in if other == name { builder.append(element) } }
        }
        copyFields(into: &result) { other, element, builder in
            if !order.contains(other) { builder.append(element) }
        }
        return result.finish()
    }

    /// A document made of what `body` appends for each field.
    func rebuilt(
        _ body: (_ name: String, _ element: borrowing ElementView, _ builder: inout DocumentBuilder) -> Void
    ) -> BSONDocument {
        var result = DocumentBuilder()
        copyFields(into: &result, body)
        return result.finish()
    }

    private func copyFields(
        into builder: inout DocumentBuilder,
        _ body: (_ name: String, _ element: borrowing ElementView, _ builder: inout DocumentBuilder) -> Void
    ) {
        var elements = view.makeElements()
        // Well-formed by invariant of the type: nothing is thrown.
        while let element = try? elements.next() { body(element.nameText, element, &builder) }
    }
}
