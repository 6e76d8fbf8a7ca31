// Fixed numbers that would not be used are an error that says why.
// RUN: not octet-opt %s -p "place-precision{rules=\"type:conv=f32\"},insert-qdq" 2>&1 | filecheck %s
// CHECK: insert-qdq: r.toml:3 fixes the scale of the result of c, but it is not quantized (type:conv=f32: user); place its op in int8, or leave the numbers out

// ... and so are those of a weight, and of an input.
// RUN: not octet-opt %s -p "assign-scheme{rules=\"select = 'name:d', tensor = 'weight', range = [-1, 1]\"},place-precision{rules=\"name:d=bf16\"},insert-qdq" 2>&1 | filecheck %s --check-prefix=WEIGHT
// WEIGHT: insert-qdq: its scheme fixes the range of the weight of d, but it is not quantized (name:d=bf16: user)
// RUN: not octet-opt %s -p "assign-scheme{rules=\"input = 'image', range = [-1, 1], origin = 'r.toml:8: rule 2'\"},place-precision{rules=\"name:c=int8\",\"name:d=f32\"},insert-qdq" 2>&1 | filecheck %s --check-prefix=INPUT
// INPUT: insert-qdq: r.toml:8 fixes the range of input 'image', but it is not quantized

// RUN: octet-opt %s -p "place-precision{rules=\"name:c=int8\"},insert-qdq" | filecheck %s --check-prefix=USED
// USED: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5>>

func.func @main(%x : tensor<1x2x4x4xf32> {nn.name = "image"}) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  %0 = nn.softmax %x <axis = 1> {layer = "prob", range = array<f64: 0.0, 1.0>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %1 = nn.conv %0, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "c", range = array<f64: 0.0, 127.5>, scheme = #nn.scheme<origin = "r.toml:3", scale = [0.5], storage = "u8", zero_point = [0]>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %2 = nn.conv %1, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "d", range = array<f64: -1.0, 1.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  func.return %2 : tensor<1x2x4x4xf32>
}
