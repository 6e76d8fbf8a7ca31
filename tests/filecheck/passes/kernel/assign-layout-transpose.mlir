// RUN: octet-opt %s -p "assign-layout" | filecheck %s

// NHWC to NCHW is a copy of memory in order when the result lies channels-last.
// CHECK-LABEL: func.func @main
func.func @main(%x : tensor<1x8x8x4xf32>) -> (tensor<1x4x8x8xf32>, tensor<1x8x4x8xf32>) {
  // CHECK: nn.transpose {{.*}}permutation = [0, 3, 1, 2]{{.*}} {layouts = ["nhwc"]}
  %0 = nn.transpose %x <permutation = [0, 3, 1, 2]> : (tensor<1x8x8x4xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.transpose {{.*}}permutation = [0, 1, 3, 2]{{.*}} {layouts = ["dense"]}
  %1 = nn.transpose %x <permutation = [0, 1, 3, 2]> : (tensor<1x8x8x4xf32>) -> tensor<1x8x4x8xf32>
  func.return %0, %1 : tensor<1x4x8x8xf32>, tensor<1x8x4x8xf32>
}
