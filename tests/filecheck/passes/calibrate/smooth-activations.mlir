// RUN: not octet-opt %s -p smooth-activations 2>&1 | filecheck %s
// RUN: not octet-opt %s -p "smooth-activations{alpha=2}" 2>&1 | filecheck %s --check-prefix=ALPHA
// RUN: octet-opt %s -p "smooth-activations{alpha=off}" | filecheck %s --check-prefix=OFF
// RUN: octet-opt %s -p "smooth-activations{insert=never}" | filecheck %s --check-prefix=OFF

// What channels reach is seen on data.
// CHECK: smooth-activations: no calibration data was given; pass the inputs for `calibrate`

// ALPHA: smooth-activations: alpha is 0 to 1, auto or off, got 2

// A residual takes the layer norm's result: only a multiplication of its own could divide it, and
// one may never be inserted. So nothing can be smoothed, and no data is needed.
// OFF-LABEL: func.func @main
// OFF-NOT: smoothed
// OFF: nn.matmul
// OFF-NOT: smoothed
func.func @main(%x : tensor<1x2xf32> {nn.name = "x"}) -> tensor<1x2xf32> {
  %g = nn.constant <value = dense<[4.0, 1.0]> : tensor<2xf32>> : () -> tensor<2xf32>
  %w = nn.constant <value = dense<[[4.0, 1.0], [4.0, 1.0]]> : tensor<2x2xf32>> : () -> tensor<2x2xf32>
  %0 = nn.layer_norm %x, scale = %g <axis = 1, epsilon = 1.0e-12> {layer = "norm"} : (tensor<1x2xf32>, tensor<2xf32>) -> tensor<1x2xf32>
  %1 = nn.matmul %0, %w, residual = %0 {layer = "a"} : (tensor<1x2xf32>, tensor<2x2xf32>, tensor<1x2xf32>) -> tensor<1x2xf32>
  func.return %1 : tensor<1x2xf32>
}
