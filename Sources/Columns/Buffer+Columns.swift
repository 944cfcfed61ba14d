import Bytes

/// What codecs need beside `Buffer`'s own. One of the module's few files with `unsafe`.
extension Buffer {
    @inline(__always)
    func append(byte: UInt8) { append(littleEndian: byte) }

    /// Appends zeros, to be written over.
    func append(zeros count: Int) {
        unsafe appendUninitialized(upTo: count) { target in
            unsafe target.initializeMemory(as: UInt8.self, repeating: 0)
            return count
        }
    }

    /// Writes the bytes of `values` to every `step`th byte from `offset` on.
    func scatter(_ values: Buffer, from offset: Int, step: Int) {
        let count = values.count
        precondition(count == 0 || (offset >= 0 && offset + (count - 1) * step < self.count))
        var target = mutableBytes
        unsafe target.withUnsafeMutableBytes { target in
            unsafe values.bytes.withUnsafeBytes { values in
                for number in 0..<count { unsafe target[offset &+ number &* step] = values[number] }
            }
        }
    }
}
