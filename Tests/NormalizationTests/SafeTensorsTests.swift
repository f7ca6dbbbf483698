// The safetensors reader: what it reads, and a typed error for every kind of bad file.

internal import Foundation
internal import Normalization
import Testing
internal import Verification

@Suite struct SafeTensorsTests {
    /// A file of a header and a body.
    private func file(_ header: String, _ body: [UInt8], headerLength: UInt64? = nil) -> Data {
        let text = Array(header.utf8)
        let length = headerLength ?? UInt64(text.count)
        return Data((0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + text + body)
    }

    private func bytes(_ values: [Float]) -> [UInt8] {
        values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) } }
    }

    private func bytes(_ values: [Double]) -> [UInt8] {
        values.flatMap { value in (0..<8).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) } }
    }

    private let header = """
        {"__metadata__":{"made":"here"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},\
        "b":{"dtype":"F64","shape":[2],"data_offsets":[24,40]}}
        """

    private var goodFile: Data { file(header, bytes([1, 2, 3, 4, 5, 6] as [Float]) + bytes([0.1, -7] as [Double])) }

    @Test func tensorsComeOutByName() throws {
        let tensors = try SafeTensors(goodFile)
        #expect(try tensors.float("a") == Tensor([1, 2, 3, 4, 5, 6], shape: [2, 3]))
        #expect(try tensors.double("b") == Tensor([0.1, -7], shape: [2]))
    }

    /// Data that is a slice does not start at index 0.
    @Test func aSliceOfDataIsRead() throws {
        let tensors = try SafeTensors((Data([9, 9, 9]) + goodFile).dropFirst(3))
        #expect(try tensors.float("a").array == [1, 2, 3, 4, 5, 6])
    }

    @Test func everyTruncationIsAnError() throws {
        let whole = goodFile
        for length in 0..<whole.count {
            #expect(throws: SafeTensorsError.self, "\(length) bytes") {
                let tensors = try SafeTensors(whole.prefix(length))
                _ = try tensors.float("a")
                _ = try tensors.double("b")
            }
        }
        for length in [0, 7, 8, 20] {
            #expect(throws: SafeTensorsError.truncated) { try SafeTensors(whole.prefix(length)) }
        }
    }

    @Test(arguments: [UInt64.max, UInt64(Int.max), 1 << 40, 1 << 63])
    func headersLongerThanTheFile(length: UInt64) {
        #expect(throws: SafeTensorsError.truncated) { try SafeTensors(file("{}", [], headerLength: length)) }
    }

    @Test(arguments: [
        "", "{", "[]", "1", "\"a\"", "{\"a\":1}", "{\"a\":{}}", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}",
        "{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[0.5],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,1e30]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":\"1\",\"data_offsets\":[0,4]}}", "\u{1}\u{2}",
    ])
    func malformedHeaders(header: String) {
        #expect(throws: SafeTensorsError.malformedHeader) { try SafeTensors(file(header, [0, 0, 0, 0])) }
    }

    @Test func aMissingTensor() throws {
        let tensors = try SafeTensors(goodFile)
        #expect(throws: SafeTensorsError.noSuchTensor("c")) { try tensors.float("c") }
        #expect(throws: SafeTensorsError.noSuchTensor("__metadata__")) { try tensors.float("__metadata__") }
    }

    @Test func anotherType() throws {
        let tensors = try SafeTensors(goodFile)
        #expect(throws: SafeTensorsError.wrongType("a", expected: "F64", given: "F32")) { try tensors.double("a") }
        #expect(throws: SafeTensorsError.wrongType("b", expected: "F32", given: "F64")) { try tensors.float("b") }
    }

    @Test(arguments: [
        ("[2]", "[0,9]"), ("[2]", "[0,12]"), ("[2]", "[4,12]"), ("[2]", "[8,0]"), ("[2]", "[-4,4]"), ("[2]", "[0]"),
        ("[2]", "[]"), ("[2]", "[0,4,8]"), ("[-2]", "[0,8]"), ("[-1,-2]", "[0,8]"), ("[3]", "[0,8]"),
        ("[4611686018427387904]", "[0,0]"), ("[9223372036854775807,2]", "[0,8]"), ("[2]", "[100,108]"),
        ("[2]", "[9223372036854775800,9223372036854775807]"), ("[2]", "[-9223372036854775808,9223372036854775807]"),
    ])
    func sizesThatDoNotFit(shape: String, offsets: String) throws {
        let header = "{\"a\":{\"dtype\":\"F32\",\"shape\":\(shape),\"data_offsets\":\(offsets)}}"
        let tensors = try SafeTensors(file(header, bytes([1, 2] as [Float])))
        #expect(throws: SafeTensorsError.wrongSize("a")) { try tensors.float("a") }
    }

    /// Files of which some bytes are others, are missing or come twice are read, or are a typed error.
    @Test func changedFilesAreReadOrRefused() {
        var random = RandomNumbers(seed: 1)
        let digits = Array("0123456789-.eE[]{}\",:\\u".utf8)
        var read = 0
        for _ in 0..<20_000 {
            var bytes = Array(goodFile)
            for _ in 0...Int(random.nextBits() % 4) where !bytes.isEmpty {
                let bits = random.nextBits()
                let place = Int(bits >> 32) % bytes.count
                switch bits % 4 {
                case 0: bytes[place] = UInt8(truncatingIfNeeded: bits >> 8)
                case 1: bytes[place] = digits[Int(bits >> 8 & 0xff) % digits.count]
                case 2: bytes.removeSubrange(place..<min(bytes.count, place + Int(bits >> 8 & 0xf)))
                default: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 8)], at: place)
                }
            }
            do {
                let tensors = try SafeTensors(Data(bytes))
                read += 1
                for name in ["a", "b"] {
                    _ = try? tensors.float(name)
                    _ = try tensors.double(name)
                    _ = try tensors.bool(name)
                }
            } catch { #expect(error is SafeTensorsError, "\(error) for \(bytes)") }
        }
        #expect(read > 1_000 && read < 18_000, "\(read) of 20000 headers were read")
    }

    @Test func emptyAndScalarTensors() throws {
        let header = """
            {"none":{"dtype":"F32","shape":[0,3],"data_offsets":[4,4]},"one":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}
            """
        let tensors = try SafeTensors(file(header, bytes([2.5] as [Float])))
        #expect(try tensors.float("none").shape == [0, 3])
        #expect(try tensors.float("one").array == [2.5])
        #expect(try tensors.float("one").shape == [])
    }
}
