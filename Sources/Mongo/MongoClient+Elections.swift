internal import Glibc

extension MongoClient {
    /// Runs commands that may be repeated, writes included, until they succeed or fail for a lasting reason: after a
    /// lost connection or an election they go to the primary of then.
    ///
    /// - Throws: what `body` threw last.
    public func repeatingOverElections<Result>(_ body: () throws -> Result) throws -> Result {
        for delay in MongoClient.retryDelays {
            do { return try body() } catch {
                guard ServerError.isTransient(error) || ServerError(causing: error)?.isCursorLost == true else {
                    throw error
                }
            }
            usleep(UInt32(delay) * 1_000)
            // While there is no primary the next try waits longer.
            _ = try? pool.pin(preferredHost: nil)
        }
        return try body()
    }
}
