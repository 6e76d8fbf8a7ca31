// RUN: octet-opt %s -p "number-ops,assign-layout,lower-to-kernel,alias-concat,alias-slice" | filecheck %s

// Ops of which no copy is left still say which ops of the placed program they are.
// CHECK: kernel.call "relu" {{.*}}index = array<i64: 0>
// CHECK: kernel.call "neg" {{.*}}index = array<i64: 1>
// CHECK: kernel.join {{.*}}{index = array<i64: 2>, layer = "join"}
// CHECK: kernel.part {{.*}}{index = array<i64: 3>, layer = "part"}
func.func @main(%x : tensor<1x2x4x4xf32>) -> tensor<1x3x4x4xf32> {
  %0 = nn.relu %x {layer = "a"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %1 = nn.neg %x {layer = "b"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %2 = nn.concat %0, %1 <axis = 1> {layer = "join"} : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<1x4x4x4xf32>
  %3 = nn.slice %2 <starts = [0, 1, 0, 0], ends = [1, 4, 4, 4], steps = [1, 1, 1, 1]> {layer = "part"} : (tensor<1x4x4x4xf32>) -> tensor<1x3x4x4xf32>
  %4 = nn.sigmoid %3 {layer = "c"} : (tensor<1x3x4x4xf32>) -> tensor<1x3x4x4xf32>
  func.return %4 : tensor<1x3x4x4xf32>
}
