/// The orthogonal update of one vector in double precision, in the order of the formulas.
struct PlainUpdate {
    private let x: [Double]
    private let f: [Double]
    private let energy: Double
    /// a = <x, f> / (<x, x> + epsilon).
    let share: Double
    /// u = f - a x; centred: of both without their means.
    let update: [Double]

    init(_ x: [Double], _ f: [Double], epsilon: Double, centred: Bool = false) {
        self.x = centred ? Vectors.centred(x) : x
        self.f = centred ? Vectors.centred(f) : f
        energy = Vectors.dot(self.x, self.x) + epsilon
        share = Vectors.dot(self.x, self.f) / energy
        update = Vectors.difference(self.f, Vectors.scaled(share, self.x))
    }

    /// Gradients of <g, u>, not centred. `isShareConstant` is a mutant: a is not differentiated.
    func backward(_ g: [Double], isShareConstant: Bool = false) -> (input: [Double], update: [Double]) {
        let b = Vectors.dot(x, g) / energy
        if isShareConstant { return (Vectors.scaled(-share, g), g) }
        let input = x.indices.map { -share * g[$0] - b * f[$0] + 2 * share * b * x[$0] }
        return (input, Vectors.difference(g, Vectors.scaled(b, x)))
    }
}
