import CCurl
import Glibc

/// Dates as HTTP writes them (RFC 9110 §5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
enum HTTPDate {
    /// The date `seconds` after 1970-01-01 UTC.
    static func text(_ seconds: Int64) -> String {
        var time = time_t(seconds)
        var parts = unsafe tm()
        unsafe gmtime_r(&time, &parts)
        // Names of days and months stay English: the program never leaves the C locale.
        return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 40) { memory in
            let count = unsafe strftime(memory.baseAddress!, memory.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
            return unsafe String(decoding: UnsafeRawBufferPointer(memory).prefix(count), as: UTF8.self)
        }
    }

    /// Seconds since 1970-01-01 UTC; nil when `text` is no date.
    static func seconds(_ text: String) -> Int64? {
        let seconds = unsafe curl_getdate(text, nil)
        return seconds < 0 ? nil : Int64(seconds)
    }
}
