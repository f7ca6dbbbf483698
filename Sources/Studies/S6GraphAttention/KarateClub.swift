internal import NormalizationDiagnostics

/// Zachary's karate club: who met whom outside the club. 34 members, 78 pairs; member 12 (counted from 1) met one
/// other.
///
/// Source: Zachary, "An Information Flow Model for Conflict and Fission in Small Groups", 1977.
enum KarateClub {
    static func graph() throws -> CSRGraph {
        let pairs = partners.flatMap { member, others in others.map { (member - 1, $0 - 1) } }
        return try CSRGraph(nodeCount: 34, undirectedEdges: pairs)
    }

    /// Members, counted from 1, and those before them whom they met.
    private static let partners: [(Int, [Int])] = [
        (2, [1]), (3, [1, 2]), (4, [1, 2, 3]), (5, [1]), (6, [1]), (7, [1, 5, 6]), (8, [1, 2, 3, 4]), (9, [1, 3]),
        (10, [3]), (11, [1, 5, 6]), (12, [1]), (13, [1, 4]), (14, [1, 2, 3, 4]), (17, [6, 7]), (18, [1, 2]),
        (20, [1, 2]), (22, [1, 2]), (26, [24, 25]), (28, [3, 24, 25]), (29, [3]), (30, [24, 27]), (31, [2, 9]),
        (32, [1, 25, 26, 29]), (33, [3, 9, 15, 16, 19, 21, 23, 24, 30, 31, 32]),
        (34, [9, 10, 14, 15, 16, 19, 20, 21, 23, 24, 27, 28, 29, 30, 31, 32, 33]),
    ]
}
