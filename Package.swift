// swift-tools-version: 6.2
// Two library products: Normalization, and NormalizationDiagnostics on top of it. Everything else serves them and costs a
// consumer nothing.

import Foundation
import PackageDescription

/// LLVM's OpenMP runtime where libomp-dev is installed, else the one that the toolchain's gcc brings.
/// CK_OPENMP_RUNTIME (a library name: omp5, gomp) decides otherwise.
let openMPRuntime: String = {
    if let name = Context.environment["CK_OPENMP_RUNTIME"] { return name }
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"]
    return folders.contains { FileManager.default.fileExists(atPath: "\($0)/libomp5.so") } ? "omp5" : "gomp"
}()

let safe: [SwiftSetting] = [.strictMemorySafety(), .enableUpcomingFeature("InternalImportsByDefault")]

let package = Package(
    name: "swift-normalization",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "Normalization", targets: ["Normalization"]),
        .library(name: "NormalizationDiagnostics", targets: ["NormalizationDiagnostics"]),
    ],
    traits: [
        .trait(name: "OpenMP", description: "Threads on Linux by the OpenMP runtime; without it calls are serial."),
        .trait(name: "OpenBLAS", description: "Links OpenBLAS (libopenblas-dev) for products of matrices."),
        .default(enabledTraits: ["OpenMP"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.0"),
    ],
    targets: [
        .target(
            name: "CKernels",
            path: "CKernels",
            sources: ["dispatch", "entry", "isa", "parallel"],
            cSettings: [
                .headerSearchPath("."),
                .define("NDEBUG"),
                .define("CK_OPENMP", .when(platforms: [.linux], traits: ["OpenMP"])),
                .define("CK_OPENBLAS", .when(platforms: [.linux], traits: ["OpenBLAS"])),
            ],
            linkerSettings: [
                .linkedLibrary("m", .when(platforms: [.linux])),
                .linkedLibrary(openMPRuntime, .when(platforms: [.linux], traits: ["OpenMP"])),
                .linkedLibrary("openblas", .when(platforms: [.linux], traits: ["OpenBLAS"])),
            ]
        ),
        .target(name: "Tensors", swiftSettings: safe),
        .target(name: "ReferenceKernels", dependencies: ["Tensors"], swiftSettings: safe),
        .target(name: "KernelBridge", dependencies: ["CKernels", "Tensors"], swiftSettings: safe),
        .target(
            name: "Normalization",
            dependencies: ["KernelBridge", "ReferenceKernels", "Tensors"],
            swiftSettings: safe
        ),
        .target(
            name: "Verification",
            dependencies: ["Normalization", "ReferenceKernels"],
            resources: [
                .copy("Resources/minilm_attention.safetensors"), .copy("Resources/minilm_layer_norm.safetensors"),
                .copy("Resources/minilm_scores.safetensors"),
            ],
            swiftSettings: safe
        ),
        .target(name: "NormalizationDiagnostics", dependencies: ["Normalization"], swiftSettings: safe),
        .target(name: "TrainingKit", dependencies: ["Normalization", "ReferenceKernels"], swiftSettings: safe),
        .target(name: "Plots", swiftSettings: safe),
        .target(
            name: "Studies",
            dependencies: [
                "Normalization", "NormalizationDiagnostics", "Plots", "ReferenceKernels", "TrainingKit",
                .product(name: "Mustache", package: "swift-mustache"),
            ],
            swiftSettings: safe
        ),
        .executableTarget(
            name: "normalize",
            dependencies: [
                "KernelBridge", "Normalization", "Plots", "Studies", "Verification",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: safe
        ),
        .executableTarget(
            name: "bench",
            dependencies: [
                "KernelBridge", "Normalization", "Verification",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "bench",
            exclude: ["results", "peers"],
            swiftSettings: safe
        ),
        .testTarget(name: "TensorsTests", dependencies: ["Tensors"], swiftSettings: safe),
        .testTarget(
            name: "DiagnosticsTests",
            dependencies: ["NormalizationDiagnostics", "ReferenceKernels"],
            swiftSettings: safe
        ),
        .testTarget(name: "StudiesTests", dependencies: ["Plots", "Studies", "TrainingKit"], swiftSettings: safe),
        .testTarget(
            name: "NormalizationTests",
            dependencies: ["Normalization", "ReferenceKernels", "Verification"],
            swiftSettings: safe
        ),
    ]
)
