// RUN: octet-opt %s -p "assign-scheme" | filecheck %s --check-prefix=NONE
// RUN: octet-opt %s -p "assign-scheme{rules=\"select = 'name:act', tensor = 'result', storage = 'u8', scale = 0.5, zero_point = 3\"}" | filecheck %s --check-prefix=FIXED
// RUN: octet-opt %s -p "assign-scheme{rules=\"select = 'name:second', tensor = 'x', storage = 's8', range = [-1, 2]\"}" | filecheck %s --check-prefix=OPERAND
// RUN: octet-opt %s -p "assign-scheme{rules=\"select = 'type:conv', per_channel = false, calibration_method = 'percentile', percentile = 99.5\",\"select = 'name:second', tensor = 'weight', reduce_range = true, origin = 'r.toml:9: rule 2'\"}" | filecheck %s --check-prefix=SPLIT
// RUN: octet-opt %s -p "assign-scheme{rules=\"input = 'image', symmetric = true, storage = 's8'\"}" | filecheck %s --check-prefix=INPUT

// Later rules change the keys they give, and take away what contradicts these.
// RUN: octet-opt %s -p "assign-scheme{rules=\"select = 'type:conv', tensor = 'result', storage = 's8', range = [-1, 2]\",\"select = 'name:second', tensor = 'result', storage = 'u8', calibration_method = 'moving-average', momentum = 0.5\"}" | filecheck %s --check-prefix=LATER

// Twice is once.
// RUN: octet-opt %s -p "assign-scheme{rules=\"select = 'name:act', tensor = 'result', storage = 'u8', scale = 0.5, zero_point = 3\"},assign-scheme{rules=\"select = 'name:act', tensor = 'result', storage = 'u8', scale = 0.5, zero_point = 3\"}" | filecheck %s --check-prefix=FIXED

// NONE-NOT: scheme

// INPUT: nn.name = "image", nn.scheme = #nn.scheme<storage = "s8", symmetric = true>
func.func @main(%x : tensor<1x2x4x4xf32> {nn.name = "image"}) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  %v = nn.constant <value = dense<0.25> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  // FIXED: nn.conv {{.*}}{layer = "first"} :
  // OPERAND: nn.conv {{.*}}layer = "first", range = array<f64: -1.000000e+00, 2.000000e+00>, scheme = #nn.scheme<range = [-1.0, 2.0], storage = "s8">}
  // SPLIT: nn.conv {{.*}}layer = "first", scheme = #nn.scheme<calibration_method = "percentile", percentile = 99.5>, weight_scheme = #nn.scheme<per_channel = false>}
  // LATER: nn.conv {{.*}}layer = "first", range = {{.*}}, scheme = #nn.scheme<range = [-1.0, 2.0], storage = "s8">}
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "first"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  // The range holds what the numbers express: 0.5 * (0 - 3) to 0.5 * (255 - 3).
  // FIXED: nn.conv {{.*}}layer = "second", range = array<f64: -1.500000e+00, 1.260000e+02>, scheme = #nn.scheme<scale = [0.5], storage = "u8", zero_point = [3]>}
  // OPERAND: nn.conv {{.*}}layer = "second"} :
  // SPLIT: nn.conv {{.*}}layer = "second", {{.*}}weight_scheme = #nn.scheme<origin = "r.toml:9", per_channel = false, reduce_range = true>}
  // LATER: nn.conv {{.*}}layer = "second", scheme = #nn.scheme<calibration_method = "moving-average", momentum = 0.5, storage = "u8">}
  %1 = nn.conv %0, %v <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {absorbed = ["act"], layer = "second"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  func.return %1 : tensor<1x2x4x4xf32>
}
