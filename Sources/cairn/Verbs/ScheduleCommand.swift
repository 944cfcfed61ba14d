internal import ArgumentParser
internal import Bytes
internal import Operations

/// `cairn schedule`.
struct ScheduleCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "schedule", abstract: "Print what makes a scheduler start `cairn run` by the policy.",
        discussion: """
            For systemd a service and a timer, for cron the lines of a crontab, for Kubernetes a ServiceAccount, a \
            ConfigMap with the configuration file, and a CronJob. The times are those at which something of the policy \
            can be due; each start does what is. Secrets are not in it: the files that the configuration names are \
            keys of a Secret.

            Example:
              cairn schedule --config /etc/cairn.yaml --format systemd --out /etc/systemd/system
              cairn schedule --config cairn.yaml --format kubernetes --image registry.example.org/cairn:1
            """)

    /// A scheduler.
    enum Format: String, ExpressibleByArgument, CaseIterable { case systemd, cron, kubernetes }

    @OptionGroup var global: GlobalOptions

    @Option(help: "Of which scheduler: systemd, cron or kubernetes.")
    var format: Format

    @Option(help: "Name of units and objects.")
    var name = "cairn"

    @Option(help: "The program where the job runs (systemd, cron).")
    var program = "/usr/bin/cairn"

    @Option(help: "The container image, whose entry point is cairn (kubernetes).")
    var image: String?

    @Option(help: "Print only this unit: service or timer (systemd).")
    var unit: Unit?

    /// A unit of systemd.
    enum Unit: String, ExpressibleByArgument, CaseIterable { case service, timer }

    func run(_ session: Session) throws -> ExitStatus {
        guard let named = global.config ?? System.environment()["CAIRN_CONFIG"], !named.isEmpty else {
            throw CairnError(.usage, "a schedule belongs to a configuration file: give --config")
        }
        let path = try System.absolute(named)
        try checkName()
        // The job has the file and nothing of this environment.
        let configuration = try Configuration(flags: [:], configurationPath: path, environment: [:])
        let timetable = try Timetable(configuration.policy(), replicates: !configuration.replicas.isEmpty)
        guard !timetable.recurrences.isEmpty else {
            throw CairnError(.usage, "everything in `schedule` is `never`: there is nothing to start", object: path)
        }
        var job = ScheduledJob(
            name: name, program: program, configurationPath: path, timetable: timetable,
            repositoryFolder: try folder(configuration))
        switch format {
        case .systemd: try Console.shared.writeResult(SystemdUnits(job: job).text(of: unit?.rawValue))
        case .cron: try Console.shared.writeResult(Crontab(job: job).text)
        case .kubernetes:
            let paths = secretPaths(configuration, beside: path)
            job.configurationPath = Self.home + "/cairn.yaml"
            try Console.shared.writeResult(manifests(job, configuration, paths, path).text)
        }
        return .done
    }

    private func checkName() throws {
        let bytes = Array(name.utf8)
        let isLabel =
            (1...40).contains(bytes.count) && bytes.first != 0x2D && bytes.last != 0x2D
            && bytes.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
        guard isLabel else {
            throw CairnError(.usage, "a name is at most 40 small letters, digits and hyphens between", object: "--name")
        }
    }

    private func folder(_ configuration: Configuration) throws -> String? {
        guard let value = configuration[.repository], case .directory(let path) = try StoreLocation(value.text) else {
            return nil
        }
        return try System.absolute(path)
    }
}

/// What is particular to Kubernetes.
extension ScheduleCommand {
    /// Where the configuration lies in the container.
    private static let home = "/etc/cairn"

    private func manifests(
        _ job: ScheduledJob, _ configuration: Configuration, _ paths: [String], _ path: String
    ) throws -> KubernetesManifests {
        guard let image else {
            throw CairnError(.usage, "manifests need --image, the container image whose entry point is cairn")
        }
        for setting in [Setting.uri, .repository] {
            guard let value = configuration[setting], DeploymentAccess.holdsPassword(value.text) else { continue }
            throw CairnError(
                .usage,
                "a ConfigMap is no place for a password: put the connection string into a file and name that in "
                    + "`\(setting.rawValue)-file`", object: value.place)
        }
        let text = String(
            decoding: try System.read(path: path, byteCountMax: 1 << 20, what: "configuration file"), as: UTF8.self)
        let usesIdentity = ["auto", "workload-identity", nil].contains(configuration[.azureAuth]?.text)
        return KubernetesManifests(
            job: job, image: image, configuration: text, secretPaths: paths,
            workloadIdentity: usesIdentity ? configuration[.azureClient]?.text : nil)
    }

    /// The files that the configuration and its replicas read, where they lie in the container: those beside the
    /// configuration stay beside it.
    private func secretPaths(_ configuration: Configuration, beside path: String) -> [String] {
        let folder = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        let own = Setting.allCases.compactMap { setting in configuration[setting].map { (setting, $0) } }
        let all = own + configuration.replicas.flatMap { $0.settings.map { ($0.key, $0.value) } }
        // The cluster puts the federated token there itself.
        let paths = all.filter { $0.0.kind == .path && ![.repository, .azureFederatedTokenFile].contains($0.0) }
            .map { $0.1.text }
        let moved = paths.map { $0.hasPrefix(folder + "/") ? Self.home + $0.dropFirst(folder.count) : $0 }
        return Set(moved).sorted()
    }
}
