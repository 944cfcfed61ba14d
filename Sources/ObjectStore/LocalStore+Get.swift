public import Bytes
import Glibc

extension LocalStore {
    /// As `ObjectStore` asks.
    public func get(_ name: ObjectName, into buffer: Buffer) throws {
        try reading(name) { (file: borrowing OpenFile, size) throws in
            try append(0..<size, of: file, size: size, name, to: buffer)
        }
    }

    /// As `ObjectStore` asks.
    public func get(_ name: ObjectName, range: Range<Int>, into buffer: Buffer) throws {
        precondition(range.lowerBound >= 0, "a range of an object begins at 0 or later")
        try reading(name) { (file: borrowing OpenFile, size) throws in
            try append(range, of: file, size: size, name, to: buffer)
        }
    }

    private func reading(_ name: ObjectName, _ body: (borrowing OpenFile, Int) throws -> Void) throws {
        do {
            let file = try OpenFile(files, name.path, .read)
            let status = try files.status(file.descriptor)
            guard status.kind == .file else { throw SystemError("open", EISDIR) }
            try body(file, status.size)
        } catch let error as SystemError {
            if error.isAbsence || error.number == EISDIR {
                throw CairnError(
                    .notFound, "\(name) is missing in \(location)", object: name.path, underlying: error)
            }
            throw failure(error, "cannot read", name)
        }
    }

    /// Reads exactly `range`; the size is checked before memory is taken, for a range may come from a damaged index.
    private func append(
        _ range: Range<Int>, of file: borrowing OpenFile, size: Int, _ name: ObjectName, to buffer: Buffer
    ) throws {
        let before = buffer.count
        let descriptor = file.descriptor
        var offset = range.lowerBound
        if range.upperBound <= size {
            buffer.reserve(before + range.count)
            do {
                while offset < range.upperBound {
                    let count = try retryingInterrupted { () throws(SystemError) in
                        try files.read(descriptor, at: offset, count: range.upperBound - offset, into: buffer)
                    }
                    if count == 0 { break }
                    offset += count
                }
            } catch {
                buffer.truncate(to: before)
                throw error
            }
            if offset == range.upperBound { return }
            buffer.truncate(to: before)
        }
        throw Failure.truncated(name, location, size: min(size, max(offset, range.lowerBound)), range)
    }
}
