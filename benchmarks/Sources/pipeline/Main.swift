import Bytes
import Glibc
import TestSupport

/// `pipeline [--mib N] [--workers N] [--runs N] [--only primitives|engine|compaction]`: the archive engine without a
/// server.
@main
struct Main {
    static func main() throws {
        var mebibytes = 512
        var workers = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        var runs = 3
        var only = ""
        var arguments = CommandLine.arguments.dropFirst()
        while let option = arguments.popFirst() {
            guard let value = arguments.popFirst() else { fatalError("\(option) needs a value") }
            switch option {
            case "--mib": mebibytes = Int(value) ?? mebibytes
            case "--workers": workers = Int(value) ?? workers
            case "--runs": runs = Int(value) ?? runs
            case "--only": only = value
            default: fatalError("unknown option \(option)")
            }
        }
        let corpus = Corpus.make(mebibytes: mebibytes)
        print("\(corpus.documents) documents, \(corpus.bytes >> 20) MiB, zstd \(ZstdVersion.text)")
        if only.isEmpty || only == "primitives" { Primitives(corpus: corpus, runs: runs).run() }
        if only.isEmpty || only == "engine" {
            for level in [3, 1] {
                let directory = try TemporaryDirectory()
                try EngineRun(corpus: corpus, workers: workers, directory: directory.path).run(level: level)
            }
        }
        if only.isEmpty || only == "compaction" {
            try CompactionRun(corpus: corpus, workers: workers, runs: runs).run()
        }
    }
}
