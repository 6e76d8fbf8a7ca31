// RUN: octet-opt %s -p "recognize-silu" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "recognize-silu,recognize-silu" --split-input-file | filecheck %s

// Both orders.
// CHECK-LABEL: @recognizes
// CHECK-NEXT:  nn.silu %x {absorbed = ["Sigmoid_0"], layer = "Mul_1"}
// CHECK-NEXT:  nn.silu %y :
// CHECK-NEXT:  func.return
func.func @recognizes(%x : tensor<2x4xf32>, %y : tensor<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>) {
  %0 = nn.sigmoid %x {layer = "Sigmoid_0"} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %1 = nn.mul %x, %0 {layer = "Mul_1"} : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %2 = nn.sigmoid %y : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %3 = nn.mul %2, %y : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  func.return %1, %3 : tensor<2x4xf32>, tensor<2x4xf32>
}

// -----

// A gate of another value, another use, an output.
// CHECK-LABEL: @stays
// CHECK-COUNT-3: nn.sigmoid
// CHECK-NOT:   nn.silu
func.func @stays(%x : tensor<2x4xf32>, %y : tensor<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>) {
  %0 = nn.sigmoid %x : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %1 = nn.mul %y, %0 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %2 = nn.sigmoid %x : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %3 = nn.mul %2, %x : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %4 = nn.neg %2 : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %5 = nn.sigmoid %x : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %6 = nn.mul %5, %x : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  func.return %1, %3, %4, %5, %6 : tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>
}
