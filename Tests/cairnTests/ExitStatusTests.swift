import Bytes
import Testing

@testable import cairn

/// The exit codes are an interface: each error code's number is written down once more here.
@Suite struct ExitStatusTests {
    private static let statuses: [(CairnError.Code, Int32)] = [
        (.corrupt, 13), (.notFound, 1), (.alreadyExists, 1), (.noRepository, 10), (.wrongKey, 12),
        (.held, 11), (.unsupportedFormat, 2), (.io, 1), (.noSpace, 1), (.usage, 2), (.interrupted, 130), (.limit, 1),
        (.unreachable, 1), (.authentication, 1), (.privilege, 1), (.server, 1), (.cursorLost, 1),
        (.snapshotTooOld, 1), (.snapshotUnavailable, 1), (.incomplete, 1), (.cancelled, 1),
        (.archived, 15), (.immutable, 1),
    ]

    @Test(arguments: statuses) func everyCodeHasItsStatus(code: CairnError.Code, status: Int32) {
        #expect(ExitStatus(code).rawValue == status)
    }

    @Test func numbersAreThoseThatScriptsRelyOn() {
        #expect(ExitStatus.allCases.map(\.rawValue) == [0, 1, 2, 3, 10, 11, 12, 13, 14, 15, 130])
    }
}
