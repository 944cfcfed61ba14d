/// A JSON value whose object keys keep their order, for results that people read too.
///
/// `JSONEncoder` cannot keep an order and cannot embed the extended JSON that libbson writes, hence this.
indirect enum JSON {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([(String, JSON)])
    /// Text that is JSON already.
    case verbatim(String)

    /// A string, or null.
    init(_ text: String?) { self = text.map { .string($0) } ?? .null }

    /// An array of strings.
    init(_ texts: [String]) { self = .array(texts.map { .string($0) }) }

    /// An object with a further member; anything else as it is.
    func appending(_ name: String, _ value: JSON) -> JSON {
        guard case .object(let members) = self else { return self }
        return .object(members + [(name, value)])
    }

    /// The value on one line.
    var text: String {
        var output = ""
        write(to: &output)
        return output
    }

    private func write(to output: inout String) {
        switch self {
        case .null: output += "null"
        case .bool(let value): output += value ? "true" : "false"
        case .integer(let value): output += String(value)
        case .number(let value): output += value.isFinite ? JSON.shortest(value) : "null"
        case .string(let value): JSON.quote(value, to: &output)
        case .verbatim(let value): output += value
        case .array(let values):
            output += "["
            for (index, value) in values.enumerated() {
                if index > 0 { output += "," }
                value.write(to: &output)
            }
            output += "]"
        case .object(let members):
            output += "{"
            for (index, member) in members.enumerated() {
                if index > 0 { output += "," }
                JSON.quote(member.0, to: &output)
                output += ":"
                member.1.write(to: &output)
            }
            output += "}"
        }
    }

    /// Times and rates: three decimals are plenty, and 0.1 + 0.2 is of no interest to anybody.
    private static func shortest(_ value: Double) -> String {
        guard abs(value) < 1e12 else { return "\(value)" }
        return "\((value * 1000).rounded() / 1000)"
    }

    private static func quote(_ text: String, to output: inout String) {
        output += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": output += "\\\""
            case "\\": output += "\\\\"
            case "\n": output += "\\n"
            case "\r": output += "\\r"
            case "\t": output += "\\t"
            // DEL and the C1 controls as well: terminals act on some of them.
            case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value):
                let digits = String(scalar.value, radix: 16)
                output += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: output.unicodeScalars.append(scalar)
            }
        }
        output += "\""
    }
}
