import BSON

extension BenchDataKind {
    struct Schema {
        let db: String
        let name: String
        let indexes: [BSONDocument]
    }

    /// Where the documents live, and the secondary indexes that such an application would have.
    var schema: Schema {
        switch self {
        case .users:
            Schema(
                db: "learning", name: "users",
                indexes: [
                    ["key": ["email": 1], "name": "email_1", "unique": true],
                    ["key": ["country": 1, "lastLogin": -1], "name": "country_1_lastLogin_-1"],
                ])
        case .courses:
            Schema(
                db: "learning", name: "courses",
                indexes: [
                    ["key": ["slug": 1], "name": "slug_1", "unique": true], ["key": ["tags": 1], "name": "tags_1"],
                ])
        case .enrollments:
            Schema(
                db: "learning", name: "enrollments",
                indexes: [
                    ["key": ["user": 1, "course": 1], "name": "user_1_course_1"],
                    ["key": ["course": 1, "status": 1], "name": "course_1_status_1"],
                ])
        case .submissions:
            Schema(
                db: "learning", name: "submissions",
                indexes: [
                    ["key": ["user": 1, "submitted": -1], "name": "user_1_submitted_-1"],
                    ["key": ["assignment": 1], "name": "assignment_1"],
                ])
        case .attempts:
            Schema(
                db: "learning", name: "attempts",
                indexes: [["key": ["user": 1, "quiz": 1], "name": "user_1_quiz_1"]])
        case .events:
            Schema(
                db: "analytics", name: "events",
                indexes: [["key": ["at": 1], "name": "at_1"], ["key": ["user": 1, "at": 1], "name": "user_1_at_1"]])
        case .presence:
            Schema(db: "analytics", name: "presence", indexes: [])
        }
    }
}

/// Every key of every kind of document, encoded once for a generator.
struct BenchDataKeys: Sendable {
    let objectID = BenchDataKey(.objectID, "_id")
    let int64ID = BenchDataKey(.int64, "_id")
    let int32ID = BenchDataKey(.int32, "_id")
    let binaryID = BenchDataKey(.binary, "_id")

    let email = BenchDataKey(.string, "email")
    let name = BenchDataKey(.document, "name")
    let first = BenchDataKey(.string, "first")
    let last = BenchDataKey(.string, "last")
    let country = BenchDataKey(.string, "country")
    let created = BenchDataKey(.date, "created")
    let lastLogin = BenchDataKey(.date, "lastLogin")
    let passwordHash = BenchDataKey(.binary, "passwordHash")
    let roles = BenchDataKey(.array, "roles")
    let preferences = BenchDataKey(.document, "preferences")
    let language = BenchDataKey(.string, "language")
    let newsletter = BenchDataKey(.bool, "newsletter")
    let fontSize = BenchDataKey(.int32, "fontSize")
    let about = BenchDataKey(.string, "about")
    let points = BenchDataKey(.int32, "points")

    let slug = BenchDataKey(.string, "slug")
    let title = BenchDataKey(.string, "title")
    let tags = BenchDataKey(.array, "tags")
    let lessons = BenchDataKey(.array, "lessons")
    let body = BenchDataKey(.string, "body")
    let minutes = BenchDataKey(.int32, "minutes")
    let price = BenchDataKey(.double, "price")

    let user = BenchDataKey(.objectID, "user")
    let course = BenchDataKey(.int32, "course")
    let status = BenchDataKey(.string, "status")
    let started = BenchDataKey(.date, "started")
    let completed = BenchDataKey(.date, "completed")
    let notCompleted = BenchDataKey(.null, "completed")
    let progress = BenchDataKey(.double, "progress")
    let certificate = BenchDataKey(.binary, "certificate")
    let version = BenchDataKey(.int32, "__v")

    let assignment = BenchDataKey(.objectID, "assignment")
    let submitted = BenchDataKey(.date, "submitted")
    let score = BenchDataKey(.double, "score")
    let feedback = BenchDataKey(.string, "feedback")

    let quiz = BenchDataKey(.int32, "quiz")
    let answers = BenchDataKey(.array, "answers")
    let question = BenchDataKey(.objectID, "question")
    let choice = BenchDataKey(.int32, "choice")
    let correct = BenchDataKey(.bool, "correct")
    let milliseconds = BenchDataKey(.int32, "ms")

    let type = BenchDataKey(.string, "type")
    let at = BenchDataKey(.date, "at")
    let session = BenchDataKey(.binary, "session")
    let request = BenchDataKey(.binary, "request")
    let path = BenchDataKey(.string, "path")
    let duration = BenchDataKey(.int32, "duration")
    let agent = BenchDataKey(.string, "agent")
    let online = BenchDataKey(.bool, "online")
    let lesson = BenchDataKey(.int32, "lesson")
}
