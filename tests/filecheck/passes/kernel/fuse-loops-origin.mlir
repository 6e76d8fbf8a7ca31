// RUN: octet-opt %s -p "place-precision{precision=f32},number-ops,assign-layout,lower-to-kernel,fuse-loops{min-elements=1}" | filecheck %s
// RUN: octet-opt %s -p "place-precision{precision=f32},assign-layout,lower-to-kernel,fuse-loops{min-elements=1}" | filecheck %s --check-prefix=UNNUMBERED

// A loop says which ops of the placed program it computes, and why they are where they are.
// CHECK: kernel.map {{.*}}{absorbed = ["a", "b"], index = array<i64: 0, 1, 2>, layer = "c", placed_by = "default: precision=f32", precision = #nn<precision f32>}
// UNNUMBERED: kernel.map {{.*}}{absorbed = ["a", "b"], layer = "c", placed_by = "default: precision=f32", precision = #nn<precision f32>}
func.func @main(%x : tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = nn.add %x, %x {layer = "a"} : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %1 = nn.relu %0 {layer = "b"} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %2 = nn.mul %1, %x {layer = "c"} : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  func.return %2 : tensor<4x8xf32>
}
