/// A commented configuration file that has every setting.
///
/// What nearly everybody needs, and the default policy, are set; the rest is there to be uncommented.
enum ConfigurationExample {
    private static let active: Set<Setting> = [
        .repository, .uriFile, .passphraseFile, .scheduleFull, .scheduleIncremental, .scheduleReplicate,
        .scheduleForget, .schedulePrune, .scheduleGrace, .retentionFull, .retentionIncremental, .retentionTags,
        .retentionReplicaGrace,
    ]

    private static let sectionNotes: [String: String] = [
        "backup": "How snapshots are taken.",
        "azure": "For a repository in azblob://. Without any of this: the environment of Azure's own tools, else the "
            + "machine's managed identity.",
        "atlas": "Atlas's own snapshots, for `cairn atlas` and `cairn backup --atlas-snapshot`.",
        "follow": "Saving the oplog as it is written, with `cairn follow`.",
        "restore": "How restores write.",
        "schedule": "What `cairn run` does when. Run it as often as the most frequent of these, or more often; "
            + "`cairn schedule` prints timers that do. What was missed is done once.",
        "retention": "What is kept; a snapshot stays while any rule keeps it. `cairn forget` without rules of its own "
            + "goes by this section too. The last good snapshot of each source always stays.",
        "metrics": "For monitoring.",
    ]

    /// The text.
    static var text: String {
        var text = """
            # Configuration of cairn. `cairn config check FILE` finds mistakes; `config schema` prints a JSON Schema.
            # A setting is also a variable: backup.level is CAIRN_BACKUP_LEVEL. Options win over variables, variables
            # over this file. A path that does not begin with / starts at this file's folder.


            """
        for setting in Setting.allCases where setting.section == nil { text += entry(setting, indent: "") }
        for section in Setting.sections {
            text += comment(sectionNotes[section] ?? "", indent: "")
            let own = Setting.allCases.filter { $0.section == section }
            text += own.contains(where: active.contains) ? "\(section):\n" : "#\(section):\n"
            for setting in own { text += entry(setting, indent: "  ") }
        }
        return text + replicas
    }

    private static func entry(_ setting: Setting, indent: String) -> String {
        let description = setting.description
        let words = [
            description.note, description.syntax.words, description.byDefault.map { "Default: \($0)." },
        ].compactMap { $0 }.joined(separator: " ")
        let mark = active.contains(setting) ? "" : "#"
        return comment(words, indent: indent) + "\(mark)\(indent)\(setting.key): \(description.example)\n\n"
    }

    private static let replicas = """
        # Copies elsewhere, each under a name of its own, with the settings of its store.
        #replicas:
        #  west:
        #    repository: azblob://account/container
        #    azure:
        #      tier: cool

        """

    /// Words in lines of at most 110 columns.
    private static func comment(_ text: String, indent: String) -> String {
        var lines = ["\(indent)#"]
        for word in text.split(separator: " ") {
            if lines[lines.count - 1].count + word.count + 1 > 110 { lines.append("\(indent)#") }
            lines[lines.count - 1] += " \(word)"
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
