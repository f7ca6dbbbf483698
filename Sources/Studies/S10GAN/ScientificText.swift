private import Foundation

/// `number` with so many digits behind the point: 1.25e-03.
func scientific(_ number: Double, _ digits: Int) -> String { String(format: "%.\(digits)e", number) }

/// `number` with so many decimals.
func decimal(_ number: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", number) }
