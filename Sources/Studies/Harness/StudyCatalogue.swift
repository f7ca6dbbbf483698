/// All studies, in the order of the report.
package enum StudyCatalogue {
    package static let all: [any Study] = [
        CoreStudy(),
        DepthStudy(),
        PlacementStudy(),
        OrthogonalUpdatesStudy(),
        TimeSeriesStudy(),
        GraphAttentionStudy(),
        ModalityStudy(),
        FairnessStudy(),
        ExpertStudy(),
        GANStudy(),
        PhysicsStudy(),
    ]

    package static func study(named name: String) -> (any Study)? { all.first { $0.name == name } }
}
