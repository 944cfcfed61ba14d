import BSON

/// The documents of each kind, about as an application with an object mapper writes them.
extension BenchDataWriter {
    /// About 600 bytes.
    mutating func appendUser(
        _ index: Int, _ keys: BenchDataKeys, _ population: BenchDataPopulation, _ random: inout SeededGenerator
    ) {
        let text = population.text
        objectID(keys.objectID, population.id(.users, index))
        string(keys.email) { bytes in
            text.appendWords(1, to: &bytes, &random)
            bytes.append(UInt8(ascii: "."))
            Self.appendDecimal(index, to: &bytes)
            bytes.append(contentsOf: BenchDataLists.mailDomains[random.below(BenchDataLists.mailDomains.count)])
        }
        beginNested(keys.name)
        string(keys.first) { text.appendWords(1, to: &$0, &random) }
        string(keys.last) { text.appendWords(1, to: &$0, &random) }
        endDocument()
        string(keys.country, BenchDataLists.countries[random.skewed(below: BenchDataLists.countries.count)])
        word(keys.created, population.date(index, secondsBetween: 250, &random))
        word(keys.lastLogin, population.date(1_000_000, secondsBetween: 60, &random))
        uuid(keys.passwordHash, random.next(), random.next())
        beginNested(keys.roles)
        element(0, BenchDataLists.roles[0])
        if random.below(20) == 0 { element(1, BenchDataLists.roles[1 + random.below(BenchDataLists.roles.count - 1)]) }
        endDocument()
        beginNested(keys.preferences)
        string(keys.language, BenchDataLists.languages[random.skewed(below: BenchDataLists.languages.count)])
        bool(keys.newsletter, random.below(3) == 0)
        int32(keys.fontSize, 12 + random.below(6))
        endDocument()
        int32(keys.points, random.skewed(below: 100_000))
        string(keys.about) { text.appendProse(random.below(500), to: &$0, &random) }
        int32(keys.version, 0)
    }

    /// 5 to 50 kB.
    mutating func appendCourse(
        _ index: Int, _ keys: BenchDataKeys, _ population: BenchDataPopulation, _ random: inout SeededGenerator
    ) {
        let text = population.text
        int32(keys.int32ID, index)
        string(keys.slug) { bytes in
            bytes.append(contentsOf: BenchDataLists.slugPrefix)
            Self.appendDecimal(index, to: &bytes)
        }
        string(keys.title) { text.appendWords(3 + random.below(4), to: &$0, &random) }
        beginNested(keys.tags)
        for position in 0..<(1 + random.below(6)) {
            element(position, BenchDataLists.tags[random.skewed(below: BenchDataLists.tags.count)])
        }
        endDocument()
        double(keys.price, Double(random.below(20_000)) / 100)
        beginNested(keys.lessons)
        for position in 0..<(6 + random.below(14)) {
            beginElement(position)
            string(keys.title) { text.appendWords(4, to: &$0, &random) }
            int32(keys.minutes, 5 + random.below(90))
            string(keys.body) { text.appendProse(300 + random.skewed(below: 3_500), to: &$0, &random) }
            endDocument()
        }
        endDocument()
        int32(keys.version, 1)
    }

    /// About 140 bytes.
    mutating func appendEnrollment(
        _ index: Int, _ keys: BenchDataKeys, _ population: BenchDataPopulation, _ random: inout SeededGenerator
    ) {
        objectID(keys.objectID, population.id(.enrollments, index))
        objectID(keys.user, population.anyUser(&random))
        int32(keys.course, random.skewed(below: population.courses))
        let isDone = random.below(3) == 0
        string(keys.status, BenchDataLists.statuses[isDone ? 2 : random.below(2)])
        word(keys.started, population.date(index, secondsBetween: 60, &random))
        if isDone {
            word(keys.completed, population.date(index + 30_000, secondsBetween: 60, &random))
            uuid(keys.certificate, random.next(), random.next())
        } else {
            null(keys.notCompleted)
        }
        double(keys.progress, isDone ? 1 : Double(random.below(100)) / 100)
        int32(keys.version, random.below(12))
    }

    /// 400 bytes to 50 kB, mostly prose or code; the mean is 3.5 kB.
    mutating func appendSubmission(
        _ index: Int, _ keys: BenchDataKeys, _ population: BenchDataPopulation, _ random: inout SeededGenerator
    ) {
        let text = population.text
        objectID(keys.objectID, population.id(.submissions, index))
        objectID(keys.user, population.anyUser(&random))
        objectID(keys.assignment, population.id(.courses, random.skewed(below: population.courses * 10)))
        word(keys.submitted, population.date(index, secondsBetween: 200, &random))
        string(keys.status, BenchDataLists.statuses[random.below(BenchDataLists.statuses.count)])
        double(keys.score, Double(random.below(201)) / 2)
        let size = 200 + (random.below(50) == 0 ? random.below(48_000) : random.skewed(below: 10_000))
        string(keys.body) { bytes in
            if index & 3 == 0 {
                text.appendCode(size, to: &bytes, &random)
            } else {
                text.appendProse(size, to: &bytes, &random)
            }
        }
        string(keys.feedback) { text.appendProse(random.skewed(below: 600), to: &$0, &random) }
        int32(keys.version, 0)
    }

    /// 150 to 900 bytes.
    mutating func appendAttempt(
        _ index: Int, _ keys: BenchDataKeys, _ population: BenchDataPopulation, _ random: inout SeededGenerator
    ) {
        objectID(keys.objectID, population.id(.attempts, index))
        objectID(keys.user, population.anyUser(&random))
        int32(keys.quiz, random.skewed(below: population.courses * 6))
        word(keys.started, population.date(index, secondsBetween: 70, &random))
        beginNested(keys.answers)
        for position in 0..<(2 + random.below(10)) {
            beginElement(position)
            objectID(keys.question, population.id(.courses, random.below(population.courses * 200)))
            int32(keys.choice, random.below(5))
            bool(keys.correct, random.below(3) != 0)
            int32(keys.milliseconds, 800 + random.below(900_000))
            endDocument()
        }
        endDocument()
        double(keys.score, Double(random.below(101)))
        int32(keys.version, 0)
    }

    /// 200 to 260 bytes, with ids that nothing compresses.
    mutating func appendEvent(
        _ index: Int, _ keys: BenchDataKeys, _ population: BenchDataPopulation, _ random: inout SeededGenerator
    ) {
        uuid(keys.binaryID, random.next(), random.next())
        string(keys.type, BenchDataLists.eventTypes[random.skewed(below: BenchDataLists.eventTypes.count)])
        let user = random.skewed(below: population.users)
        objectID(keys.user, population.id(.users, user))
        word(keys.at, population.date(index, secondsBetween: 17, &random))
        // A user's session lasts for many events, so its id repeats as it does in a real log.
        let session = SeededGenerator.mix(population.seed ^ UInt64(user) ^ UInt64(index >> 12) << 32)
        uuid(keys.session, session, SeededGenerator.mix(session))
        uuid(keys.request, random.next(), random.next())
        string(keys.path) { bytes in
            bytes.append(contentsOf: BenchDataLists.paths[random.below(BenchDataLists.paths.count)])
            Self.appendDecimal(random.skewed(below: population.courses), to: &bytes)
        }
        int32(keys.duration, random.skewed(below: 60_000))
        string(keys.agent, BenchDataLists.agents[user % BenchDataLists.agents.count])
    }

    /// About 50 bytes.
    mutating func appendPresence(
        _ index: Int, _ keys: BenchDataKeys, _ population: BenchDataPopulation, _ random: inout SeededGenerator
    ) {
        word(keys.int64ID, UInt64(index))
        bool(keys.online, random.below(9) == 0)
        int32(keys.lesson, random.skewed(below: population.courses * 12))
        word(keys.at, population.date(900_000, secondsBetween: 60, &random))
    }

    private static func appendDecimal(_ number: Int, to bytes: inout [UInt8]) {
        if number >= 10 { appendDecimal(number / 10, to: &bytes) }
        bytes.append(UInt8(ascii: "0") + UInt8(number % 10))
    }
}

/// Values that fields with few distinct values take.
enum BenchDataLists {
    static let mailDomains = utf8(["@example.org", "@example.com", "@mail.example.net", "@uni.example.edu"])
    static let countries = utf8(["DE", "FR", "IN", "US", "BR", "PL", "JP", "KE", "ES", "IT", "NL", "VN", "MX", "CA"])
    static let roles = utf8(["learner", "teacher", "moderator", "admin"])
    static let languages = utf8(["en", "de", "fr", "hi", "pt-BR", "pl", "ja", "sw", "es"])
    static let tags = utf8(["math", "statistics", "swift", "databases", "history", "biology", "music", "law", "art"])
    static let statuses = utf8(["active", "paused", "completed", "returned"])
    static let eventTypes = utf8(["view", "scroll", "play", "pause", "seek", "answer", "search", "download", "share"])
    static let paths = utf8(["/courses/", "/courses/lessons/", "/quiz/", "/forum/threads/", "/api/v2/progress/"])
    static let slugPrefix = Array("course-".utf8)
    static let agents = utf8([
        "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/128.0", "LearnApp/7.2 (Android 14)",
        "LearnApp/7.1 (iOS 17.5)", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0",
    ])

    private static func utf8(_ texts: [String]) -> [[UInt8]] { texts.map { Array($0.utf8) } }
}
