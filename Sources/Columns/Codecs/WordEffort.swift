/// What words must bring for the time that they take, which is as much again as compressing the text.
struct WordEffort {
    /// Text that zstd alone makes smaller by more than this factor is left to it: what is left to save of it is little.
    let ratioMax: Double
    /// The part of zstd's size that words may take at most.
    let sizeMax: Double

    /// Words wherever they save anything.
    static let always = WordEffort(ratioMax: .infinity, sizeMax: 0.98)
    /// Words where they save much.
    static let whereItPays = WordEffort(ratioMax: 4, sizeMax: 0.9)

    /// The effort that suits a zstd level; nil for no words.
    static func suiting(level: Int) -> WordEffort? {
        switch level {
        case ...2: nil
        case 3...5: whereItPays
        default: always
        }
    }
}
