// RUN: octet-opt %s -p "fuse-residual" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "fuse-residual,fuse-residual" --split-input-file | filecheck %s

// CHECK-LABEL: @fuses
// CHECK-NEXT:   %{{.*}} = nn.matmul %{{.*}}, %{{.*}}, bias = %{{.*}}, residual = %r {absorbed = ["Add_1"], layer = "MatMul_0", range = array<f64: -1.000000e+00, 2.000000e+00>}
// CHECK-NEXT:   func.return
func.func @fuses(%a : tensor<2x4xf32>, %b : tensor<4x3xf32>, %c : tensor<3xf32>, %r : tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = nn.matmul %a, %b, bias = %c {layer = "MatMul_0"} : (tensor<2x4xf32>, tensor<4x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %1 = nn.add %r, %0 {layer = "Add_1", range = array<f64: -1.0, 2.0>} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %1 : tensor<2x3xf32>
}

// -----

// Of two candidates the later one; what it adds is computed between it and the addition.
// CHECK-LABEL: @later
// CHECK-NEXT:   %[[FIRST:.*]] = nn.matmul %{{.*}}, %{{.*}} {layer = "first"}
// CHECK-NEXT:   nn.matmul %{{.*}}, %{{.*}}, residual = %[[FIRST]] {absorbed = ["add"], layer = "second"}
// CHECK-NEXT:   func.return
func.func @later(%a : tensor<2x4xf32>, %b : tensor<4x3xf32>) -> tensor<2x3xf32> {
  %0 = nn.matmul %a, %b {layer = "first"} : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  %1 = nn.matmul %a, %b {layer = "second"} : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  %2 = nn.add %1, %0 {layer = "add"} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %2 : tensor<2x3xf32>
}

// -----

// The residual is defined after the product: the fused op moves behind it.
// CHECK-LABEL: @moves
// CHECK-NEXT:   %[[R:.*]] = nn.neg
// CHECK-NEXT:   nn.matmul %{{.*}}, %{{.*}}, residual = %[[R]]
func.func @moves(%a : tensor<2x4xf32>, %b : tensor<4x3xf32>, %r : tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = nn.matmul %a, %b : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  %1 = nn.neg %r : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %2 = nn.add %0, %1 : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %2 : tensor<2x3xf32>
}

// -----

// An activation that comes before the addition, broadcasting of either side, a constant, several
// uses, an output, two block arguments, and another precision.
// CHECK-LABEL: @stays
// CHECK-COUNT-8: nn.add
// CHECK-NOT: residual =
func.func @stays(%a : tensor<2x4xf32>, %b : tensor<4x3xf32>, %r : tensor<2x3xf32>, %s : tensor<1x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>) {
  %0 = nn.matmul %a, %b <activation = #nn.activation<relu>> : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  %1 = nn.add %0, %r : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %2 = nn.matmul %a, %b : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  %3 = nn.add %2, %s : (tensor<2x3xf32>, tensor<1x3xf32>) -> tensor<2x3xf32>
  %4 = nn.matmul %a, %b : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  %5 = nn.constant <value = dense<1.0> : tensor<2x3xf32>> : () -> tensor<2x3xf32>
  %6 = nn.add %4, %5 : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %7 = nn.matmul %a, %b : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  %8 = nn.add %7, %7 : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %9 = nn.matmul %a, %b : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  %10 = nn.add %9, %r : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %11 = nn.add %r, %r : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %12 = nn.matmul %a, %b {precision = #nn<precision int8>} : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  %13 = nn.add %12, %r {precision = #nn<precision f32>} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %14 = nn.matmul %a, %b : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  %15 = nn.add %s, %14 : (tensor<1x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %1, %3, %6, %8, %9, %10, %11, %13, %15 : tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>
}
