internal import Glibc

/// What the machine offers.
enum Machine {
    /// Processors that this process may run on: containers and `taskset` limit them.
    static var processors: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }
}
