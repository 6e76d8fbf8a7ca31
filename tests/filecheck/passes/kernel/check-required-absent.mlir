// RUN: not octet-opt %s -p check-required 2>&1 | filecheck %s

// CHECK: 1 op(s) did not end at the precision required: op 7 (required to be int8 by 'name:a'): nothing of it is left in the program
builtin.module attributes {octet.required = [["f32", "name:b", array<i64: 0>], ["int8", "name:a", array<i64: 7>]]} {
  func.func @main(%x : tensor<4xf32>) -> tensor<4xf32> {
    %0 = nn.relu %x {index = array<i64: 0>, layer = "b", precision = #nn<precision f32>} : (tensor<4xf32>) -> tensor<4xf32>
    func.return %0 : tensor<4xf32>
  }
}
