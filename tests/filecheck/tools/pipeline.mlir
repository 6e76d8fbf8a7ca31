// RUN: octet-opt %s -p canonicalize,cse | filecheck %s
// RUN: octet-opt %s --pass-pipeline="builtin.module(canonicalize, cse)" | filecheck %s
// RUN: octet-opt %s -p canonicalize,cse,dce --print-ir-after=cse 2>&1 | filecheck %s --check-prefix=ONE
// RUN: octet-opt %s -p canonicalize,cse,dce --print-ir-after-all 2>&1 | filecheck %s --check-prefix=ALL
// RUN: octet-opt %s -p canonicalize,cse,dce --print-ir-after-change 2>&1 | filecheck %s --check-prefix=CHANGE
// RUN: not octet-opt %s -p no-such-pass 2>&1 | filecheck %s --check-prefix=UNKNOWN
// RUN: not octet-opt %s -p "cse{a=1}" 2>&1 | filecheck %s --check-prefix=OPTION
// RUN: not octet-opt %s -p "cse{" 2>&1 | filecheck %s --check-prefix=SYNTAX

func.func @main(%a : i32) -> i32 {
  %0 = arith.constant 1 : i32
  %1 = arith.constant 1 : i32
  %2 = arith.addi %0, %1 : i32
  %3 = arith.addi %a, %2 : i32
  func.return %3 : i32
}

// CHECK: %0 = arith.constant 2 : i32
// CHECK-NEXT: %1 = arith.addi %a, %0 : i32
// CHECK-NEXT: func.return %1 : i32

// ONE-NOT: IR Dump After canonicalize
// ONE: IR Dump After cse
// ONE-NOT: IR Dump After dce

// ALL: IR Dump After canonicalize
// ALL: IR Dump After cse
// ALL: IR Dump After dce

// CHANGE: IR Dump After canonicalize
// CHANGE-NOT: IR Dump After

// UNKNOWN: octet-opt: error: there is no pass 'no-such-pass'
// OPTION: octet-opt: error: pass cse has no option 'a' (its options: none)
// SYNTAX: octet-opt: error: pass pipeline 'cse{' cannot be read
