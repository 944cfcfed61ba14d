enum Repair { static let folder = "damaged/" }
