#!/bin/sh
# Builds and runs Tests/consumer-swift as a package of its own that depends on a tagged clone of this one:
# with the default traits and with none, which makes every call serial. It must fetch no other package.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

git clone --quiet "$root" "$work/swift-normalization"
git -C "$work/swift-normalization" tag --force 0.1.0 >/dev/null

for threads in openmp serial; do
    [ $threads = serial ] && traits=", traits: []" || traits=""
    consumer="$work/consumer"
    rm -rf "$consumer"
    mkdir -p "$consumer/Sources/consumer"
    cp "$root/Tests/consumer-swift/main.swift" "$consumer/Sources/consumer/"
    cat > "$consumer/Package.swift" <<EOF
// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "consumer",
    platforms: [.macOS(.v15)],
    dependencies: [.package(url: "file://$work/swift-normalization", from: "0.1.0"$traits)],
    targets: [
        .executableTarget(
            name: "consumer", dependencies: [.product(name: "Normalization", package: "swift-normalization")])
    ]
)
EOF
    (cd "$consumer" && swift run --quiet consumer)
    linked=serial
    ldd "$consumer/.build/debug/consumer" | grep -q omp && linked=openmp
    if [ $linked != $threads ]; then
        echo "the consumer$traits is linked for $linked calls" >&2
        exit 1
    fi
    fetched=$(ls "$consumer/.build/checkouts")
    if [ "$fetched" != "swift-normalization" ]; then
        echo "the consumer fetched more than this package: $fetched" >&2
        exit 1
    fi
done
echo "consumer package: works with default traits and with none, fetches nothing else"
