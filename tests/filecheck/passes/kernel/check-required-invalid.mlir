// RUN: not octet-opt %s -p check-required 2>&1 | filecheck %s

// CHECK: octet.required: an entry is a precision, a selector and the numbers of ops, as in ["int8", "name:stem", array<i64: 3>]; got ["int4", "name:a", array<i64: 0>]
builtin.module attributes {octet.required = [["int4", "name:a", array<i64: 0>]]} {
  func.func @main(%x : tensor<4xf32>) -> tensor<4xf32> {
    func.return %x : tensor<4xf32>
  }
}
