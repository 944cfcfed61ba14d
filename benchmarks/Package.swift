// swift-tools-version: 6.2
import PackageDescription

/// A package of its own, so that nobody who builds cairn resolves or builds benchmarks.
let house: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
    name: "benchmarks",
    dependencies: [.package(name: "cairn", path: "..")],
    targets: [
        .target(name: "CAllocations"),
        .executableTarget(
            name: "pipeline",
            dependencies: [
                "CAllocations",
                .product(name: "Operations", package: "cairn"),
                .product(name: "Archive", package: "cairn"),
                .product(name: "ObjectStore", package: "cairn"),
                .product(name: "BSON", package: "cairn"),
                .product(name: "Bytes", package: "cairn"),
                .product(name: "TestSupport", package: "cairn"),
            ],
            swiftSettings: house),
        .executableTarget(
            name: "columns",
            dependencies: [
                .product(name: "Columns", package: "cairn"),
                .product(name: "BSON", package: "cairn"),
                .product(name: "Bytes", package: "cairn"),
            ],
            swiftSettings: house),
        .executableTarget(
            name: "fold",
            dependencies: [
                .product(name: "Oplog", package: "cairn"),
                .product(name: "BSON", package: "cairn"),
                .product(name: "Bytes", package: "cairn"),
                .product(name: "TestSupport", package: "cairn"),
            ],
            swiftSettings: house),
        .executableTarget(
            name: "snapshots",
            dependencies: [
                .product(name: "Archive", package: "cairn"),
                .product(name: "ObjectStore", package: "cairn"),
                .product(name: "BSON", package: "cairn"),
                .product(name: "Bytes", package: "cairn"),
            ],
            swiftSettings: house),
    ]
)
