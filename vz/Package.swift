// swift-tools-version:5.9
import PackageDescription

#if os(macOS)
  let stand: [Target] = []
  let standDependencies: [Target.Dependency] = []
#else
  // Apple's framework, as much of it as ember-vz uses, with QEMU underneath: the real code runs where there is no Mac.
  let stand: [Target] = [
    .target(name: "Virtualization", path: "Support/Virtualization"),
    .testTarget(name: "VirtualizationTests", dependencies: ["Virtualization"], path: "Support/VirtualizationTests"),
  ]
  let standDependencies: [Target.Dependency] = ["Virtualization"]
#endif

let package = Package(
  name: "ember-vz",
  platforms: [.macOS(.v13)],
  products: [.executable(name: "ember-vz", targets: ["ember-vz"])],
  targets: [
    .target(name: "EmberVZ"),
    .target(name: "EmberVZFramework", dependencies: ["EmberVZ"] + standDependencies),
    .executableTarget(name: "ember-vz", dependencies: ["EmberVZ", "EmberVZFramework"]),
    .testTarget(name: "EmberVZTests", dependencies: ["EmberVZ"]),
    .testTarget(name: "EmberVZFrameworkTests", dependencies: ["EmberVZFramework"]),
  ] + stand
)
