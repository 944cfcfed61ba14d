import Foundation
import Operations
import TestSupport
import Testing

@testable import cairn

/// `cairn schedule`: what it prints is judged by the schedulers' own programs, where they are installed.
@Suite struct ScheduleTests {
    private static let hasSystemd = (try? ChildProcess.run("systemd-analyze", ["--version"]))?.exitCode == 0
    private static let hasYAML = (try? ChildProcess.run("python3", ["-c", "import yaml"]))?.exitCode == 0

    private static let recurrences = [
        "hourly", "every 1m", "every 15m", "every 45m", "every 6h", "every 24h", "daily 02:00", "daily 23:59",
        "weekly sunday 02:30", "weekly monday", "monthly 1 02:00", "monthly 28 23:05",
    ]

    private func configuration(_ text: String = "") throws -> (folder: TemporaryDirectory, path: String) {
        let folder = try TemporaryDirectory()
        let path = folder.appending("cairn.yaml")
        let base = """
            repository: azblob://account/backups
            uri-file: uri
            passphrase-file: /run/secrets/passphrase
            azure: {auth: workload-identity, client-id: 1234}

            """
        try (base + text).write(toFile: path, atomically: true, encoding: .utf8)
        return (folder, path)
    }

    @Test(.enabled(if: hasSystemd, "skipped: systemd-analyze is missing"), arguments: recurrences)
    func systemdUnderstandsTheTimes(text: String) throws {
        let recurrence = try Recurrence(text)
        let now = 1_772_670_000
        let nexts = try SystemdUnits.calendar(recurrence).map { event -> Int in
            let outcome = try ChildProcess.run(
                "systemd-analyze", ["calendar", "--base-time=@\(now)", event], environment: ["TZ": "UTC"])
            #expect(outcome.exitCode == 0, "\(event): \(outcome.errorText)")
            let line = try #require(outcome.text.split(separator: "\n").first { $0.contains("Next elapse:") })
            let words = line.split(separator: " ")
            let date = "\(words[words.count - 3])T\(words[words.count - 2])Z"
            return Int(try Date(date, strategy: .iso8601).timeIntervalSince1970)
        }
        #expect(nexts.min() == recurrence.next(after: now))
    }

    @Test(.enabled(if: hasSystemd, "skipped: systemd-analyze is missing"))
    func systemdAcceptsTheUnits() throws {
        let (folder, path) = try configuration("schedule: {full: weekly sunday 01:30, incremental: every 45m}\n")
        for unit in ["service", "timer"] {
            let outcome = try Command.run(
                "schedule", "--config", path, "--format", "systemd", "--unit", unit, "--program", Command.path)
            #expect(outcome.exitCode == 0, "\(outcome.errorText)")
            try outcome.text.write(toFile: folder.appending("cairn.\(unit)"), atomically: true, encoding: .utf8)
        }
        let verdict = try ChildProcess.run(
            "systemd-analyze",
            ["verify", "--man=no", folder.appending("cairn.service"), folder.appending("cairn.timer")])
        #expect(verdict.exitCode == 0 && !verdict.errorText.contains("cairn."), "\(verdict.errorText)")
    }

    @Test func aPathWithOddLettersIsOneWord() {
        let job = ScheduledJob(
            name: "cairn", program: "/opt/my programs/cairn", configurationPath: "/etc/50%/it's $HOME.yaml",
            timetable: Timetable(BackupPolicy(), replicates: false), repositoryFolder: "/srv/back up")
        let service = SystemdUnits(job: job).text(of: "service")
        #expect(service.contains("ExecStart=\"/opt/my programs/cairn\" run --config \"/etc/50%%/it's $$HOME.yaml\"\n"))
        #expect(service.contains("ReadWritePaths=\"-/srv/back up\"\n"))
        let crontab = Crontab(job: job).text
        #expect(crontab.hasSuffix("0 * * * * '/opt/my programs/cairn' run --config '/etc/50\\%/it'\\''s $HOME.yaml'\n"))
    }

    @Test(
        arguments: zip(
            recurrences,
            [
                ["0 * * * *"], ["* * * * *"], ["*/15 * * * *"],
                [
                    "0 0,3,6,9,12,15,18,21 * * *", "15 2,5,8,11,14,17,20,23 * * *", "30 1,4,7,10,13,16,19,22 * * *",
                    "45 0,3,6,9,12,15,18,21 * * *",
                ],
                ["0 */6 * * *"], ["0 0 * * *"], ["0 2 * * *"], ["59 23 * * *"], ["30 2 * * 0"], ["0 0 * * 1"],
                ["0 2 1 * *"], ["5 23 28 * *"],
            ]))
    func timesOfACrontab(text: String, lines: [String]) throws {
        #expect(Crontab.times(try Recurrence(text)) == lines)
    }

    /// Fields as the API's published schema names them; an unknown one would be refused by a server.
    @Test(.enabled(if: hasYAML, "skipped: python3-yaml is missing"))
    func manifests() throws {
        let (folder, path) = try configuration(
            "replicas:\n  west: {repository: /mnt/west, azure: {sas-file: sas}}\n"
                + "schedule: {full: weekly sunday 01:30, replicate: never}\n")
        defer { withExtendedLifetime(folder) {} }
        let outcome = try Command.run(
            "schedule", "--config", path, "--format", "kubernetes", "--image", "registry.example.org/cairn:1")
        #expect(outcome.exitCode == 0, "\(outcome.errorText)")
        let judge = try ChildProcess.run("python3", ["-c", Self.judge, path], input: Array(outcome.text.utf8))
        #expect(judge.exitCode == 0, "\(judge.errorText)\n\(outcome.text)")
    }

    private static let judge = """
        import sys, yaml
        account, config, first, second = yaml.safe_load_all(sys.stdin)
        assert account["apiVersion"] == "v1" and account["kind"] == "ServiceAccount"
        assert account["metadata"]["annotations"] == {"azure.workload.identity/client-id": "1234"}
        assert config["data"]["cairn.yaml"] == open(sys.argv[1]).read(), config["data"]["cairn.yaml"]
        assert (first["spec"]["schedule"], second["spec"]["schedule"]) == ("0 * * * *", "30 1 * * 0")
        for job in (first, second):
            assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
            spec = job["spec"]
            assert set(spec) == {"schedule", "timeZone", "concurrencyPolicy", "startingDeadlineSeconds",
                "successfulJobsHistoryLimit", "failedJobsHistoryLimit", "jobTemplate"}
            assert spec["timeZone"] == "Etc/UTC" and spec["concurrencyPolicy"] == "Forbid"
            assert set(spec["jobTemplate"]["spec"]) == {"backoffLimit", "template"}
            template = spec["jobTemplate"]["spec"]["template"]
            assert template["metadata"]["labels"] == {"azure.workload.identity/use": "true"}
            pod = template["spec"]
            assert set(pod) == {"serviceAccountName", "restartPolicy", "terminationGracePeriodSeconds",
                "securityContext", "containers", "volumes"}
            assert pod["serviceAccountName"] == "cairn" and pod["restartPolicy"] == "Never"
            container, = pod["containers"]
            assert set(container) == {"name", "image", "args", "env", "resources", "securityContext", "volumeMounts"}
            assert container["args"] == ["run", "--config", "/etc/cairn/cairn.yaml"]
            assert container["resources"]["limits"] == {"memory": "400Mi"}
            mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
            assert set(mounts) == {"/etc/cairn/cairn.yaml", "/cache", "/tmp", "/etc/cairn/uri", "/etc/cairn/sas",
                "/run/secrets/passphrase"}, mounts
            assert mounts["/etc/cairn/uri"]["subPath"] == "uri"
            volumes = {volume["name"] for volume in pod["volumes"]}
            assert volumes == {mount["name"] for mount in mounts.values()}
        """

    @Test func whatCannotBeScheduledIsSaid() throws {
        let (folder, path) = try configuration("schedule: {incremental: hourly}\n")
        func failure(_ arguments: String...) throws -> String {
            let outcome = try Command.run(["schedule"] + arguments)
            #expect(outcome.exitCode == 2)
            return outcome.errorText
        }
        #expect(try failure("--format", "cron").contains("give --config"))
        #expect(try failure("--config", path, "--format", "kubernetes").contains("--image"))
        #expect(try failure("--config", path, "--format", "cron", "--name", "No Label").contains("--name"))
        let open = folder.appending("open.yaml")
        try "uri: mongodb://user:password@db/\nrepository: /srv\n".write(
            toFile: open, atomically: true, encoding: .utf8)
        let said = try failure("--config", open, "--format", "kubernetes", "--image", "x")
        #expect(said.contains("uri-file") && !said.contains("password@"))
        let idle = folder.appending("idle.yaml")
        try "schedule: {full: never, incremental: never, forget: never, prune: never}\n".write(
            toFile: idle, atomically: true, encoding: .utf8)
        #expect(try failure("--config", idle, "--format", "cron").contains("nothing to start"))
    }
}
