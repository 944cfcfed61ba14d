internal import Operations

/// A ServiceAccount, a ConfigMap with the configuration, and a CronJob for each recurrence that is left (batch/v1).
struct KubernetesManifests {
    let job: ScheduledJob
    let image: String
    /// The configuration file's text; it holds no secrets.
    let configuration: String
    /// Paths that the configuration says secrets are read from; each a key of the Secret by its last part.
    let secretPaths: [String]
    /// The client id of a workload identity; nil without one.
    let workloadIdentity: String?

    /// What a backup takes at most: README, figures.
    private static let memory = "400Mi"

    var text: String { ([serviceAccount, configMap] + cronJobs).joined(separator: "---\n") }

    private var serviceAccount: String {
        let annotations =
            workloadIdentity.map { "  annotations:\n    azure.workload.identity/client-id: \(Self.quoted($0))\n" } ?? ""
        return """
            apiVersion: v1
            kind: ServiceAccount
            metadata:
              name: \(job.name)
            \(annotations)automountServiceAccountToken: false

            """
    }

    private var configMap: String {
        let lines = configuration.split(separator: "\n", omittingEmptySubsequences: false)
        return """
            apiVersion: v1
            kind: ConfigMap
            metadata:
              name: \(job.name)
            data:
              cairn.yaml: |2
            \(lines.map { $0.isEmpty ? "" : "    \($0)" }.joined(separator: "\n"))

            """
    }

    private var cronJobs: [String] {
        let times = job.timetable.recurrences.flatMap(Crontab.times)
        return times.enumerated().map { number, time in
            cronJob(name: times.count == 1 ? job.name : "\(job.name)-\(number + 1)", time)
        }
    }

    private func cronJob(name: String, _ time: String) -> String {
        """
        apiVersion: batch/v1
        kind: CronJob
        metadata:
          name: \(name)
        spec:
          schedule: \(Self.quoted(time))
          timeZone: Etc/UTC
          concurrencyPolicy: Forbid
          startingDeadlineSeconds: 3600
          successfulJobsHistoryLimit: 3
          failedJobsHistoryLimit: 3
          jobTemplate:
            spec:
              # What failed is due again at the next start.
              backoffLimit: 0
              template:
        \(podTemplate)
        """
    }

    private var podTemplate: String {
        let labels = workloadIdentity == nil ? "" : "metadata:\n  labels:\n    azure.workload.identity/use: \"true\"\n"
        let text = """
            \(labels)spec:
              serviceAccountName: \(job.name)
              restartPolicy: Never
              # SIGTERM ends a backup cleanly; what it stored is used again.
              terminationGracePeriodSeconds: 300
              securityContext:
                runAsNonRoot: true
                runAsUser: 65532
                fsGroup: 65532
                seccompProfile:
                  type: RuntimeDefault
              containers:
                - name: cairn
                  image: \(Self.quoted(image))
                  args: [\(job.arguments.map(Self.quoted).joined(separator: ", "))]
                  env:
                    - name: XDG_CACHE_HOME
                      value: /cache
                  resources:
                    requests:
                      cpu: 500m
                      memory: \(Self.memory)
                    limits:
                      memory: \(Self.memory)
                  securityContext:
                    allowPrivilegeEscalation: false
                    readOnlyRootFilesystem: true
                    capabilities:
                      drop: [ALL]
                  volumeMounts:
            \(mounts.joined())
              volumes:
            \(volumes.joined())
            """
        return text.split(separator: "\n", omittingEmptySubsequences: true).map { "        \($0)\n" }.joined()
    }

    private var mounts: [String] {
        var mounts = [
            "        - name: configuration\n          mountPath: \(Self.quoted(job.configurationPath))\n"
                + "          subPath: cairn.yaml\n          readOnly: true\n",
            "        - name: cache\n          mountPath: /cache\n",
            "        - name: temporary\n          mountPath: /tmp\n",
        ]
        for path in secretPaths {
            mounts.append(
                "        - name: secrets\n          mountPath: \(Self.quoted(path))\n"
                    + "          subPath: \(Self.quoted(Self.key(path)))\n          readOnly: true\n")
        }
        if let folder = job.repositoryFolder {
            mounts.append("        - name: repository\n          mountPath: \(Self.quoted(folder))\n")
        }
        return mounts
    }

    private var volumes: [String] {
        var volumes = [
            "    - name: configuration\n      configMap:\n        name: \(job.name)\n",
            "    - name: cache\n      emptyDir:\n        sizeLimit: 2Gi\n",
            "    - name: temporary\n      emptyDir: {}\n",
        ]
        if !secretPaths.isEmpty {
            volumes.append(
                "    # Made by you: kubectl create secret generic \(job.name)"
                    + secretPaths.map { " --from-file=\(Self.key($0))" }.joined() + "\n"
                    + "    - name: secrets\n      secret:\n        secretName: \(job.name)\n        defaultMode: 288\n")
        }
        if job.repositoryFolder != nil {
            volumes.append(
                "    # Made by you: the disk that the repository is on.\n"
                    + "    - name: repository\n      persistentVolumeClaim:\n        claimName: \(job.name)\n")
        }
        return volumes
    }

    /// The last part of a path.
    static func key(_ path: String) -> String { String(path.split(separator: "/").last ?? "") }

    /// A YAML text in double quotes is one of JSON.
    private static func quoted(_ text: String) -> String { JSON.string(text).text }
}
