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
            throw failure(error, "cannot read \(name)", name)
        }
    }

    /// Reads exactly `range`; the size is checked before memory is taken, for a range may come from a damaged index.
    private func append(
        _ range: Range<Int>, of file: borrowing OpenFile, size: Int, _ name: ObjectName, to buffer: Buffer
    ) throws {
        guard range.upperBound <= size else { throw Failure.truncated(name, location, size: size, range) }
        let before = buffer.count
        buffer.reserve(before + range.count)
        var offset = range.lowerBound
        do {
            while offset < range.upperBound {
                let rest = range.upperBound - offset
                let count = try files.read(file.descriptor, at: offset, count: rest, into: buffer)
                // The file became shorter since its size was read.
                if count == 0 { throw Failure.truncated(name, location, size: offset, range) }
                offset += count
            }
        } catch {
            buffer.truncate(to: before)
            throw error
        }
    }
}
