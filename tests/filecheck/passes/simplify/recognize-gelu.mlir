// RUN: octet-opt %s -p "recognize-gelu" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "recognize-gelu,recognize-gelu" --split-input-file | filecheck %s

// x * (1 + erf(x / sqrt(2))) * 0.5, as PyTorch writes it; the last op's layer and range stay.
// CHECK-LABEL: @torch
// CHECK:       nn.gelu %x <approximate = "none"> {absorbed = ["Div_0", "Erf_1", "Add_2", "Mul_3"], layer = "Mul_4", range = array<f64: -1.000000e+00, 2.000000e+00>}
// CHECK-NEXT:  func.return
func.func @torch(%x : tensor<2x4xf32>) -> tensor<2x4xf32> {
  %sqrt2 = nn.constant <value = dense<1.41421354> : tensor<f32>> : () -> tensor<f32>
  %one = nn.constant <value = dense<1.0> : tensor<f32>> : () -> tensor<f32>
  %half = nn.constant <value = dense<0.5> : tensor<f32>> : () -> tensor<f32>
  %0 = nn.div %x, %sqrt2 {layer = "Div_0"} : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %1 = nn.erf %0 {layer = "Erf_1"} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %2 = nn.add %1, %one {layer = "Add_2"} : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %3 = nn.mul %x, %2 {layer = "Mul_3"} : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %4 = nn.mul %3, %half {layer = "Mul_4", range = array<f64: -1.0, 2.0>} : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  func.return %4 : tensor<2x4xf32>
}

// -----

// (0.5 * x) * (1 + erf(x * 0.7071)), the other association and a multiplication.
// CHECK-LABEL: @halved_input
// CHECK-NOT:   nn.erf
// CHECK:       nn.gelu %x <approximate = "none"> :
// CHECK-NEXT:  func.return
func.func @halved_input(%x : tensor<2x4xf32>) -> tensor<2x4xf32> {
  %r = nn.constant <value = dense<0.7071> : tensor<f32>> : () -> tensor<f32>
  %one = nn.constant <value = dense<1.0> : tensor<f32>> : () -> tensor<f32>
  %half = nn.constant <value = dense<0.5> : tensor<f32>> : () -> tensor<f32>
  %0 = nn.mul %x, %r : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %1 = nn.erf %0 : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %2 = nn.add %one, %1 : (tensor<f32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %3 = nn.mul %half, %x : (tensor<f32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %4 = nn.mul %3, %2 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  func.return %4 : tensor<2x4xf32>
}

// -----

// x * (0.5 * erf(x / sqrt(2)) + 0.5), the half multiplied out.
// CHECK-LABEL: @multiplied_out
// CHECK-NOT:   nn.erf
// CHECK:       nn.gelu %x <approximate = "none"> :
// CHECK-NEXT:  func.return
func.func @multiplied_out(%x : tensor<2x4xf32>) -> tensor<2x4xf32> {
  %sqrt2 = nn.constant <value = dense<1.41421354> : tensor<f32>> : () -> tensor<f32>
  %one = nn.constant <value = dense<1.0> : tensor<f32>> : () -> tensor<f32>
  %half = nn.constant <value = dense<0.5> : tensor<f32>> : () -> tensor<f32>
  %0 = nn.div %x, %sqrt2 : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %1 = nn.erf %0 : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %2 = nn.mul %1, %half : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %3 = nn.add %2, %half : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %4 = nn.mul %3, %x : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  func.return %4 : tensor<2x4xf32>
}

// -----

// 0.5 * (x * (1 + erf(x / sqrt(2)))) divided by two instead.
// CHECK-LABEL: @divided
// CHECK-NOT:   nn.erf
// CHECK:       nn.gelu %x <approximate = "none"> :
// CHECK-NEXT:  func.return
func.func @divided(%x : tensor<2x4xf32>) -> tensor<2x4xf32> {
  %sqrt2 = nn.constant <value = dense<1.41421354> : tensor<f32>> : () -> tensor<f32>
  %one = nn.constant <value = dense<1.0> : tensor<f32>> : () -> tensor<f32>
  %two = nn.constant <value = dense<2.0> : tensor<f32>> : () -> tensor<f32>
  %0 = nn.div %x, %sqrt2 : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %1 = nn.erf %0 : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %2 = nn.add %1, %one : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %3 = nn.mul %2, %x : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %4 = nn.div %3, %two : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  func.return %4 : tensor<2x4xf32>
}

// -----

// tanh form with a power.
// CHECK-LABEL: @tanh_power
// CHECK-NOT:   nn.tanh
// CHECK:       nn.gelu %x <approximate = "tanh"> :
// CHECK-NEXT:  func.return
func.func @tanh_power(%x : tensor<2x4xf32>) -> tensor<2x4xf32> {
  %c = nn.constant <value = dense<0.797884583> : tensor<f32>> : () -> tensor<f32>
  %k = nn.constant <value = dense<0.044715> : tensor<f32>> : () -> tensor<f32>
  %one = nn.constant <value = dense<1.0> : tensor<f32>> : () -> tensor<f32>
  %half = nn.constant <value = dense<0.5> : tensor<f32>> : () -> tensor<f32>
  %three = nn.constant <value = dense<3.0> : tensor<f32>> : () -> tensor<f32>
  %0 = nn.pow %x, %three : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %1 = nn.mul %0, %k : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %2 = nn.add %x, %1 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %3 = nn.mul %2, %c : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %4 = nn.tanh %3 : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %5 = nn.add %4, %one : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %6 = nn.mul %half, %x : (tensor<f32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %7 = nn.mul %6, %5 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  func.return %7 : tensor<2x4xf32>
}

// -----

// tanh form with products: x * c * (1 + k * x * x).
// CHECK-LABEL: @tanh_products
// CHECK-NOT:   nn.tanh
// CHECK:       nn.gelu %x <approximate = "tanh"> :
// CHECK-NEXT:  func.return
func.func @tanh_products(%x : tensor<2x4xf32>) -> tensor<2x4xf32> {
  %c = nn.constant <value = dense<0.797884583> : tensor<f32>> : () -> tensor<f32>
  %k = nn.constant <value = dense<0.044715> : tensor<f32>> : () -> tensor<f32>
  %one = nn.constant <value = dense<1.0> : tensor<f32>> : () -> tensor<f32>
  %half = nn.constant <value = dense<0.5> : tensor<f32>> : () -> tensor<f32>
  %three = nn.constant <value = dense<3.0> : tensor<f32>> : () -> tensor<f32>
  %0 = nn.mul %x, %x : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %1 = nn.mul %0, %k : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %2 = nn.add %one, %1 : (tensor<f32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %3 = nn.mul %x, %c : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %4 = nn.mul %3, %2 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %5 = nn.tanh %4 : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %6 = nn.add %5, %one : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %7 = nn.mul %x, %6 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %8 = nn.mul %7, %half : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  func.return %8 : tensor<2x4xf32>
}

// -----

// Another slope, no half, the erf of another value, another offset.
// CHECK-LABEL: @other_constants
// CHECK-NOT:   nn.gelu
// CHECK-COUNT-4: nn.erf
// CHECK-NOT:   nn.gelu
func.func @other_constants(%x : tensor<2x4xf32>, %y : tensor<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>) {
  %r = nn.constant <value = dense<0.6> : tensor<f32>> : () -> tensor<f32>
  %one = nn.constant <value = dense<1.0> : tensor<f32>> : () -> tensor<f32>
  %half = nn.constant <value = dense<0.5> : tensor<f32>> : () -> tensor<f32>
  %s = nn.constant <value = dense<0.70710678> : tensor<f32>> : () -> tensor<f32>
  %two = nn.constant <value = dense<2.0> : tensor<f32>> : () -> tensor<f32>
  %0 = nn.mul %x, %r : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %1 = nn.erf %0 : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %2 = nn.add %1, %one : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %3 = nn.mul %x, %2 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %4 = nn.mul %3, %half : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %5 = nn.mul %x, %s : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %6 = nn.erf %5 : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %7 = nn.add %6, %one : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %8 = nn.mul %x, %7 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %9 = nn.mul %y, %s : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %10 = nn.erf %9 : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %11 = nn.add %10, %one : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %12 = nn.mul %x, %11 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %13 = nn.mul %12, %half : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %14 = nn.mul %x, %s : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %15 = nn.erf %14 : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %16 = nn.add %15, %two : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %17 = nn.mul %x, %16 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %18 = nn.mul %17, %half : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  func.return %4, %8, %13, %18 : tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>
}

// -----

// The erf has another use; a value inside is an output.
// CHECK-LABEL: @several_uses
// CHECK-NOT:   nn.gelu
// CHECK-COUNT-2: nn.erf
// CHECK-NOT:   nn.gelu
func.func @several_uses(%x : tensor<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>) {
  %sqrt2 = nn.constant <value = dense<1.41421354> : tensor<f32>> : () -> tensor<f32>
  %one = nn.constant <value = dense<1.0> : tensor<f32>> : () -> tensor<f32>
  %half = nn.constant <value = dense<0.5> : tensor<f32>> : () -> tensor<f32>
  %0 = nn.div %x, %sqrt2 : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %1 = nn.erf %0 : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %2 = nn.add %1, %one : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %3 = nn.mul %x, %2 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %4 = nn.mul %3, %half : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %5 = nn.neg %1 : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %6 = nn.div %x, %sqrt2 : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %7 = nn.erf %6 : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %8 = nn.add %7, %one : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %9 = nn.mul %x, %8 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %10 = nn.mul %9, %half : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  func.return %4, %5, %9, %10 : tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>
}
