// Selectors with commas, in options that are lists; and what matches nothing, where it is allowed.
// RUN: octet-opt %s -p "place-precision{precision=bf16 rules=\"first(1, type:conv)=f32\",\"between(name:gate, name:head)=f32\"}" | filecheck %s
// RUN: octet-opt %s -p "place-precision{precision=bf16 rules=\"name:stem=f32\",\"name:head or name:haed=f16\" allow-unmatched=true}" 2>&1 | filecheck %s --check-prefix=NOTE
// RUN: not octet-opt %s -p "place-precision{precision=bf16 rules=\"name:stem=f32\",\"name:head or name:haed=f16\"}" 2>&1 | filecheck %s --strict-whitespace --check-prefix=ERROR
// RUN: not octet-opt %s -p "place-precision{rules=\"type:conv,name:gate=f32\"}" 2>&1 | filecheck %s --strict-whitespace --check-prefix=LIST

// NOTE: place-precision: note: selector 'name:haed' matches no op; nearest: head
// NOTE-NEXT: name:head or name:haed
// NOTE-NEXT: ^^^^^^^^^
// ERROR: octet-opt: error: selector 'name:haed' matches no op; nearest: head
// ERROR-NEXT:{{^}}  name:head or name:haed
// ERROR-NEXT:{{^}}               ^^^^^^^^^{{$}}
// LIST: a single selector is expected; combine several with 'or'
// LIST-NEXT:{{^}}  type:conv,name:gate
// LIST-NEXT:{{^}}           ^{{$}}

func.func @main(%x : tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  // CHECK: nn.conv {{.*}}layer = "stem", placed_by = "first(1, type:conv)=f32: user", precision = #nn<precision f32>
  // NOTE: nn.conv {{.*}}layer = "stem", placed_by = "name:stem=f32: user", precision = #nn<precision f32>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "stem"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.conv {{.*}}layer = "body", placed_by = "default: conv has bf16 arithmetic", precision = #nn<precision bf16>
  %1 = nn.conv %0, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "body"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.sigmoid {{.*}}layer = "gate", placed_by = "between(name:gate, name:head)=f32: user", precision = #nn<precision f32>
  %2 = nn.sigmoid %1 {layer = "gate"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.conv {{.*}}layer = "head", placed_by = "between(name:gate, name:head)=f32: user", precision = #nn<precision f32>
  // NOTE: nn.conv {{.*}}layer = "head", placed_by = "name:head or name:haed=f16: user", precision = #nn<precision f16>
  %3 = nn.conv %2, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "head"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  func.return %3 : tensor<1x2x4x4xf32>
}
