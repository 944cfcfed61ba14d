internal import Operations

/// The wording of `run`.
enum RunText {
    /// What would be done.
    static func planned(_ plan: DuePlan) -> String {
        var table = Table([("TASK", .left), ("", .left), ("WHY", .left), ("NEXT", .left)])
        for step in plan.steps {
            table.add([
                step.task.name, step.isDue ? "due" : "not due", step.reason, step.next.map(UTC.iso8601) ?? "never",
            ])
        }
        return table.text
    }

    /// What was done.
    static func done(_ outcomes: [RunOutcome]) -> String {
        guard !outcomes.isEmpty else { return "nothing is due\n" }
        return outcomes.map { "\($0.task.name): \($0.text)\n" }.joined()
    }

    /// Both for programs.
    static func json(_ plan: DuePlan, outcomes: [RunOutcome]?) -> JSON {
        let steps = plan.steps.map { step in
            var fields: [(String, JSON)] = [
                ("task", .string(step.task.name)), ("due", .bool(step.isDue)), ("reason", .string(step.reason)),
                ("next", step.next.map { .string(UTC.iso8601($0)) } ?? .null),
            ]
            if let outcome = outcomes?.first(where: { $0.task == step.task }) {
                fields += [("exitCode", .integer(Int(outcome.status.rawValue))), ("result", outcome.json)]
            }
            return JSON.object(fields)
        }
        return .object([("dryRun", .bool(outcomes == nil)), ("steps", .array(steps))])
    }
}
