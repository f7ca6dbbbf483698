package import Foundation
package import Tensors

/// Why a file could not be read as safetensors.
package enum SafeTensorsError: Error, Equatable {
    case truncated
    case malformedHeader
    case noSuchTensor(String)
    case wrongType(String, expected: String, given: String)
    case wrongSize(String)
}

/// A file of named tensors: 8 bytes of header length, a JSON header, the data (all little-endian).
package struct SafeTensors {
    private struct Entry: Decodable {
        let dtype: String
        let shape: [Int]
        let data_offsets: [Int]
    }

    private let entries: [String: Entry]
    private let body: Data

    package init(_ file: Data) throws {
        guard file.count >= 8 else { throw SafeTensorsError.truncated }
        let length = file.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length <= UInt64(file.count - 8) else { throw SafeTensorsError.truncated }
        let start = file.startIndex + 8 + Int(length)
        body = file[start...]
        guard var header = try? JSONSerialization.jsonObject(with: file[(file.startIndex + 8)..<start]) as? [String: Any]
        else { throw SafeTensorsError.malformedHeader }
        header["__metadata__"] = nil
        do {
            let json = try JSONSerialization.data(withJSONObject: header)
            entries = try JSONDecoder().decode([String: Entry].self, from: json)
        } catch { throw SafeTensorsError.malformedHeader }
    }

    /// A tensor of binary32 elements ("F32").
    package func float(_ name: String) throws -> Tensor<Float> {
        let (shape, bits) = try elements(name, dtype: "F32", as: UInt32.self)
        return try Tensor(bits.map(Float.init(bitPattern:)), shape: shape)
    }

    /// A tensor of binary64 elements ("F64").
    package func double(_ name: String) throws -> Tensor<Double> {
        let (shape, bits) = try elements(name, dtype: "F64", as: UInt64.self)
        return try Tensor(bits.map(Double.init(bitPattern:)), shape: shape)
    }

    /// A tensor of bytes ("U8"), each told apart as 0 or not.
    package func bool(_ name: String) throws -> Tensor<Bool> {
        let (shape, bytes) = try elements(name, dtype: "U8", as: UInt8.self)
        return try Tensor(bytes.map { $0 != 0 }, shape: shape)
    }

    private func elements<Bits: FixedWidthInteger>(
        _ name: String, dtype: String, as type: Bits.Type
    ) throws -> (Shape, [Bits]) {
        guard let entry = entries[name] else { throw SafeTensorsError.noSuchTensor(name) }
        guard entry.dtype == dtype else {
            throw SafeTensorsError.wrongType(name, expected: dtype, given: entry.dtype)
        }
        let shape = Shape(entry.shape)
        let size = MemoryLayout<Bits>.size
        guard entry.data_offsets.count == 2, let count = shape.elementCount,
            case let (bytes, overflow) = count.multipliedReportingOverflow(by: size), !overflow,
            case let (begin, end) = (entry.data_offsets[0], entry.data_offsets[1]),
            begin >= 0, end <= body.count, begin <= end, end - begin == bytes
        else { throw SafeTensorsError.wrongSize(name) }
        let first = body.startIndex + begin
        let elements = stride(from: first, to: first + bytes, by: size).map { position in
            body[position..<position + size].reversed().reduce(Bits(0)) { $0 << 8 | Bits(truncatingIfNeeded: $1) }
        }
        return (shape, elements)
    }
}
