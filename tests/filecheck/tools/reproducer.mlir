// configuration: '--pass-pipeline=builtin.module(cse)' --verify-each=structure
// RUN: octet-opt --run-reproducer %s | filecheck %s

// CHECK: arith.constant 1 : i32
// CHECK-NOT: arith.constant
func.func @main() -> i32 {
  %0 = arith.constant 1 : i32
  %1 = arith.constant 1 : i32
  %2 = arith.addi %0, %1 : i32
  func.return %2 : i32
}
