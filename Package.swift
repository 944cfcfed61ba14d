// swift-tools-version: 6.2
import PackageDescription

/// Every target: Swift 6 mode, strict memory safety, warnings as errors, explicit imports.
let house: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

/// `Bytes`, `BSON` and `Oplog` alone return spans from their own types, which still needs the experimental feature.
let spans: [SwiftSetting] = house + [.enableExperimentalFeature("Lifetimes")]

let package = Package(
    name: "cairn",
    products: [
        .executable(name: "cairn", targets: ["cairn"]),
        // For benchmarks/, which is a package of its own. Nothing here is a promise to others.
        .library(name: "Operations", targets: ["Operations"]),
        .library(name: "Archive", targets: ["Archive"]),
        .library(name: "Oplog", targets: ["Oplog"]),
        .library(name: "ObjectStore", targets: ["ObjectStore"]),
        .library(name: "Columns", targets: ["Columns"]),
        .library(name: "BSON", targets: ["BSON"]),
        .library(name: "Bytes", targets: ["Bytes"]),
        .library(name: "TestSupport", targets: ["TestSupport"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    ],
    targets: [
        .systemLibrary(name: "CLinux"),
        .systemLibrary(
            name: "CMongoC", pkgConfig: "libmongoc-1.0", providers: [.apt(["libmongoc-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),

        .target(name: "Bytes", dependencies: ["CLinux", "CZstd", "COpenSSL"], swiftSettings: spans),
        .target(name: "BSON", dependencies: ["Bytes"], swiftSettings: spans),
        .target(name: "ObjectStore", dependencies: ["Bytes", "CLinux"], swiftSettings: house),
        .target(name: "Columns", dependencies: ["Bytes", "BSON"], swiftSettings: spans),
        .target(name: "Archive", dependencies: ["Bytes", "BSON", "Columns", "ObjectStore"], swiftSettings: house),
        .target(name: "Oplog", dependencies: ["Bytes", "BSON"], swiftSettings: spans),
        .target(name: "Mongo", dependencies: ["Bytes", "BSON", "CMongoC"], swiftSettings: house),
        .target(
            name: "Remote", dependencies: ["Bytes", "BSON", "ObjectStore", "Mongo", "CCurl"], swiftSettings: house),
        .target(
            name: "Operations",
            dependencies: [
                "Bytes", "BSON", "ObjectStore", "Archive", "Oplog", "Mongo", "Remote",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: house),
        .executableTarget(
            name: "cairn",
            dependencies: [
                "Bytes", "BSON", "ObjectStore", "Archive", "Mongo", "Remote", "Operations",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: house),

        .target(
            name: "TestSupport", dependencies: ["Bytes", "BSON", "ObjectStore", "Archive", "Mongo"],
            path: "Tests/TestSupport", swiftSettings: house),
        .executableTarget(
            name: "fixture",
            dependencies: [
                "TestSupport", "Mongo", "BSON", "Bytes",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Tests/fixture", swiftSettings: house),
        .testTarget(name: "BytesTests", dependencies: ["Bytes", "TestSupport"], swiftSettings: house),
        .testTarget(name: "BSONTests", dependencies: ["BSON", "Bytes", "TestSupport"], swiftSettings: house),
        .testTarget(
            name: "ColumnsTests", dependencies: ["Columns", "BSON", "Bytes", "TestSupport"], swiftSettings: house),
        .testTarget(
            name: "ObjectStoreTests", dependencies: ["ObjectStore", "Bytes", "TestSupport"], swiftSettings: house),
        .testTarget(
            name: "ArchiveTests", dependencies: ["Archive", "Columns", "ObjectStore", "BSON", "Bytes", "TestSupport"],
            swiftSettings: house),
        .testTarget(
            name: "OplogTests", dependencies: ["Oplog", "Mongo", "BSON", "Bytes", "TestSupport"], swiftSettings: house),
        .testTarget(name: "MongoTests", dependencies: ["Mongo", "BSON", "Bytes", "TestSupport"], swiftSettings: house),
        .testTarget(
            name: "RemoteTests", dependencies: ["Remote", "ObjectStore", "Mongo", "BSON", "Bytes", "TestSupport"],
            swiftSettings: house),
        .testTarget(
            name: "OperationsTests",
            dependencies: [
                "Operations", "Archive", "Oplog", "Mongo", "Remote", "ObjectStore", "BSON", "Bytes", "TestSupport",
            ],
            swiftSettings: house),
        .testTarget(
            name: "cairnTests",
            dependencies: [
                "cairn", "Operations", "Archive", "ObjectStore", "Mongo", "Remote", "BSON", "Bytes", "TestSupport",
            ],
            swiftSettings: house),
        .testTarget(name: "HouseTests", swiftSettings: house),
    ]
)
