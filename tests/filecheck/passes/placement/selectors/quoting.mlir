// Names of models, as they are or in quotes, where a quote is doubled.
// RUN: octet-opt %s \
// RUN:   --select "name:/layer1/layer1.0/conv1/Conv" \
// RUN:   --select "glob:/layer1/*/Conv" \
// RUN:   --select "name:Gelu(tanh, x)" \
// RUN:   --select "first(1, name:Gelu(tanh, x))" \
// RUN:   --select "name:'scope[0]/a, b'" \
// RUN:   --select "name:'it''s (open'" \
// RUN:   --select "name:\"it's (open\"" \
// RUN:   | filecheck %s --match-full-lines

// CHECK: name:/layer1/layer1.0/conv1/Conv
// CHECK-NEXT: 0 conv /layer1/layer1.0/conv1/Conv
// CHECK-NEXT: glob:/layer1/*/Conv
// CHECK-NEXT: 0 conv /layer1/layer1.0/conv1/Conv
// CHECK-NEXT: name:Gelu(tanh, x)
// CHECK-NEXT: 1 relu "Gelu(tanh, x)"
// CHECK-NEXT: first(1, name:Gelu(tanh, x))
// CHECK-NEXT: 1 relu "Gelu(tanh, x)"
// CHECK-NEXT: name:'scope[0]/a, b'
// CHECK-NEXT: 2 relu "scope[0]/a, b"
// CHECK-NEXT: name:'it''s (open'
// CHECK-NEXT: 3 relu "it's (open"
// CHECK-NEXT: name:"it's (open"
// CHECK-NEXT: 3 relu "it's (open"
// CHECK-NOT: {{.}}

func.func @main(%x : tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "/layer1/layer1.0/conv1/Conv"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %1 = nn.relu %0 {layer = "Gelu(tanh, x)"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %2 = nn.relu %1 {layer = "scope[0]/a, b"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %3 = nn.relu %2 {layer = "it's (open"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return %3 : tensor<1x2x4x4xf32>
}
