// RUN: octet-opt %s -p equalize-channels --split-input-file | filecheck %s
// RUN: octet-opt %s -p equalize-channels,equalize-channels --split-input-file | filecheck %s
// RUN: octet-opt %s -p "equalize-channels{by=off}" --split-input-file | filecheck %s --check-prefix=OFF
// RUN: not octet-opt %s -p "equalize-channels{by=activations}" --split-input-file 2>&1 | filecheck %s --check-prefix=DATA

// DATA: equalize-channels: no calibration data was given; pass the inputs for `calibrate`
// OFF-NOT: equalized

// The first layer's channels have greatest weights 4 and 1, the second's 1 and 4: both get 2. The
// bias goes along.
// CHECK-LABEL: func.func @main
// CHECK: %[[B:.*]] = nn.constant <value = dense<[4.000000e+00, 1.600000e+01]> : tensor<2xf32>>
// CHECK-NEXT: %[[W:.*]] = nn.constant <value = dense<2.000000e+00> : tensor<2x2xf32>>
// CHECK-NEXT: %[[Y:.*]] = nn.matmul %x, %[[W]], bias = %[[B]] <activation = #nn.activation<relu>> {layer = "a"}
// CHECK-NEXT: %[[V:.*]] = nn.constant <value = dense<2.000000e+00> : tensor<2x2xf32>>
// CHECK-NEXT: nn.matmul %[[Y]], %[[V]] {equalized, layer = "b"}
func.func @main(%x : tensor<1x2xf32> {nn.name = "x"}) -> tensor<1x2xf32> {
  %w = nn.constant <value = dense<[[4.0, 1.0], [4.0, 1.0]]> : tensor<2x2xf32>> : () -> tensor<2x2xf32>
  %b = nn.constant <value = dense<[8.0, 8.0]> : tensor<2xf32>> : () -> tensor<2xf32>
  %v = nn.constant <value = dense<[[1.0, 1.0], [4.0, 4.0]]> : tensor<2x2xf32>> : () -> tensor<2x2xf32>
  %0 = nn.matmul %x, %w, bias = %b <activation = #nn.activation<relu>> {layer = "a"} : (tensor<1x2xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<1x2xf32>
  %1 = nn.matmul %0, %v {layer = "b"} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  func.return %1 : tensor<1x2xf32>
}

// -----

// The value in between is an output as well.
// CHECK-LABEL: func.func @main
// CHECK-NOT: equalized
// CHECK: func.return
func.func @main(%x : tensor<1x2xf32> {nn.name = "x"}) -> (tensor<1x2xf32>, tensor<1x2xf32>) {
  %w = nn.constant <value = dense<[[4.0, 1.0], [4.0, 1.0]]> : tensor<2x2xf32>> : () -> tensor<2x2xf32>
  %v = nn.constant <value = dense<[[1.0, 1.0], [4.0, 4.0]]> : tensor<2x2xf32>> : () -> tensor<2x2xf32>
  %0 = nn.matmul %x, %w {layer = "a"} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %1 = nn.matmul %0, %v {layer = "b"} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  func.return %0, %1 : tensor<1x2xf32>, tensor<1x2xf32>
}

// -----

// A residual takes it.
// CHECK-LABEL: func.func @main
// CHECK-NOT: equalized
// CHECK: func.return
func.func @main(%x : tensor<1x2xf32> {nn.name = "x"}) -> tensor<1x2xf32> {
  %w = nn.constant <value = dense<[[4.0, 1.0], [4.0, 1.0]]> : tensor<2x2xf32>> : () -> tensor<2x2xf32>
  %v = nn.constant <value = dense<[[1.0, 1.0], [4.0, 4.0]]> : tensor<2x2xf32>> : () -> tensor<2x2xf32>
  %0 = nn.matmul %x, %w {layer = "a"} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %1 = nn.matmul %0, %v, residual = %0 {layer = "b"} : (tensor<1x2xf32>, tensor<2x2xf32>, tensor<1x2xf32>) -> tensor<1x2xf32>
  func.return %1 : tensor<1x2xf32>
}

// -----

// Both layers share one weight.
// CHECK-LABEL: func.func @main
// CHECK-NOT: equalized
// CHECK: func.return
func.func @main(%x : tensor<1x2xf32> {nn.name = "x"}) -> tensor<1x2xf32> {
  %w = nn.constant <value = dense<[[4.0, 1.0], [4.0, 1.0]]> : tensor<2x2xf32>> : () -> tensor<2x2xf32>
  %0 = nn.matmul %x, %w {layer = "a"} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %1 = nn.matmul %0, %w {layer = "b"} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  func.return %1 : tensor<1x2xf32>
}

// -----

// Without data nobody knows where a clamp at 6 acts; a sigmoid does not scale along; an input of the
// program is made by nothing that could be rescaled.
// CHECK-LABEL: func.func @main
// CHECK-NOT: equalized
// CHECK: func.return
func.func @main(%x : tensor<1x2xf32> {nn.name = "x"}) -> tensor<1x2xf32> {
  %w = nn.constant <value = dense<[[4.0, 1.0], [4.0, 1.0]]> : tensor<2x2xf32>> : () -> tensor<2x2xf32>
  %v = nn.constant <value = dense<[[1.0, 1.0], [4.0, 4.0]]> : tensor<2x2xf32>> : () -> tensor<2x2xf32>
  %u = nn.constant <value = dense<[[1.0, 2.0], [4.0, 4.0]]> : tensor<2x2xf32>> : () -> tensor<2x2xf32>
  %0 = nn.matmul %x, %w <activation = #nn.activation<clip 0.0, 6.0>> {layer = "a"} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %1 = nn.matmul %0, %v {layer = "b"} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %2 = nn.sigmoid %1 : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %3 = nn.matmul %2, %u {layer = "c"} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  func.return %3 : tensor<1x2xf32>
}
