// What matches nothing, with what comes near, and a caret at the part that does not match.
// RUN: not octet-opt %s --select "name:blok.act" 2>&1 | filecheck %s --strict-whitespace --check-prefix=NAME
// RUN: not octet-opt %s --select "type:conv and not (name:haed)" 2>&1 | filecheck %s --strict-whitespace --check-prefix=ATOM
// RUN: not octet-opt %s --select "name:block.*" 2>&1 | filecheck %s --strict-whitespace --check-prefix=SHELL
// RUN: not octet-opt %s --select "name:relu" 2>&1 | filecheck %s --strict-whitespace --check-prefix=TYPED
// RUN: not octet-opt %s --select "type:cnov" 2>&1 | filecheck %s --strict-whitespace --check-prefix=TYPE
// RUN: not octet-opt %s --select "type:Gelu" 2>&1 | filecheck %s --strict-whitespace --check-prefix=ABSENT
// RUN: not octet-opt %s --select "re:block" 2>&1 | filecheck %s --strict-whitespace --check-prefix=RE
// RUN: not octet-opt %s --select "index:conv[4]" 2>&1 | filecheck %s --strict-whitespace --check-prefix=INDEX
// RUN: not octet-opt %s --select "type:conv and type:relu" 2>&1 | filecheck %s --strict-whitespace --check-prefix=AND
// RUN: not octet-opt %s --select "not glob:*" 2>&1 | filecheck %s --strict-whitespace --check-prefix=NOT
// RUN: not octet-opt %s --select "between(name:head, name:turn)" 2>&1 | filecheck %s --strict-whitespace --check-prefix=PATH
// RUN: not octet-opt %s --select "users(name:prob)" 2>&1 | filecheck %s --strict-whitespace --check-prefix=USERS
// RUN: not octet-opt %s --select "producers(name:stem.conv)" 2>&1 | filecheck %s --strict-whitespace --check-prefix=PRODUCERS
// RUN: not octet-opt %s --select "pattern(conv->sofmax)" 2>&1 | filecheck %s --strict-whitespace --check-prefix=STEP
// RUN: not octet-opt %s --select "pattern(conv->relu->softmax)" 2>&1 | filecheck %s --strict-whitespace --check-prefix=CHAIN
// RUN: not octet-opt %s --select "pattern(conv->conv)[2]" 2>&1 | filecheck %s --strict-whitespace --check-prefix=MATCH

// NAME: matches no op; nearest: block.act
// NAME-NEXT:{{^}}  name:blok.act
// NAME-NEXT:{{^}}  ^^^^^^^^^^^^^{{$}}

// ATOM: selector 'name:haed' matches no op; nearest: head
// ATOM-NEXT:{{^}}  type:conv and not (name:haed)
// ATOM-NEXT:{{^}}                     ^^^^^^^^^{{$}}

// SHELL: as a shell pattern, glob:block.*, it matches 5
// SHELL-NEXT:{{^}}  name:block.*
// SHELL-NEXT:{{^}}  ^^^^^^^^^^^^{{$}}

// TYPED: type:relu is a type
// TYPED-NEXT:{{^}}  name:relu
// TYPED-NEXT:{{^}}  ^^^^^^^^^{{$}}

// TYPE: matches no op; nearest: conv
// TYPE-NEXT:{{^}}  type:cnov
// TYPE-NEXT:{{^}}  ^^^^^^^^^{{$}}

// ABSENT: the program has no gelu; there are add, conv, relu, sigmoid, softmax, transpose
// ABSENT-NEXT:{{^}}  type:Gelu
// ABSENT-NEXT:{{^}}  ^^^^^^^^^{{$}}

// RE: it has to match a whole name; 5 ops have a name with it inside
// RE-NEXT:{{^}}  re:block
// RE-NEXT:{{^}}  ^^^^^^^^{{$}}

// INDEX: the program has 4 convs
// INDEX-NEXT:{{^}}  index:conv[4]
// INDEX-NEXT:{{^}}  ^^^^^^^^^^^^^{{$}}

// AND: type:conv matches 4, type:relu matches 3, but none of them are the same
// AND-NEXT:{{^}}  type:conv and type:relu
// AND-NEXT:{{^}}  ^^^^^^^^^^^^^^^^^^^^^^^{{$}}

// NOT: glob:* is every op
// NOT-NEXT:{{^}}  not glob:*
// NOT-NEXT:{{^}}  ^^^^^^^^^^{{$}}

// PATH: no path leads from the first to the second; one leads from the second to the first
// PATH-NEXT:{{^}}  between(name:head, name:turn)
// PATH-NEXT:{{^}}  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^{{$}}

// USERS: the program's outputs are all that its results are used for
// USERS-NEXT:{{^}}  users(name:prob)
// USERS-NEXT:{{^}}  ^^^^^^^^^^^^^^^^{{$}}

// PRODUCERS: its operands are inputs and constants of the program
// PRODUCERS-NEXT:{{^}}  producers(name:stem.conv)
// PRODUCERS-NEXT:{{^}}  ^^^^^^^^^^^^^^^^^^^^^^^^^{{$}}

// STEP: there is no op type 'sofmax'; nearest: softmax
// STEP-NEXT:{{^}}  pattern(conv->sofmax)
// STEP-NEXT:{{^}}                ^^^^^^{{$}}

// CHAIN: conv->relu occurs, but no softmax after it; what follows is add, conv, transpose
// CHAIN-NEXT:{{^}}  pattern(conv->relu->softmax)
// CHAIN-NEXT:{{^}}                      ^^^^^^^{{$}}

// MATCH: the pattern matches 2 times
// MATCH-NEXT:{{^}}  pattern(conv->conv)[2]
// MATCH-NEXT:{{^}}  ^^^^^^^^^^^^^^^^^^^^^^{{$}}

func.func @main(%x : tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "stem.conv"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %1 = nn.relu %0 {layer = "stem.act"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %2 = nn.transpose %1 <permutation = [0, 1, 3, 2]> {layer = "turn"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %3 = nn.conv %2, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "block.conv1"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %4 = nn.relu %3 {layer = "block.act"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %5 = nn.conv %4, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "block.conv2"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %6 = nn.add %5, %2 {layer = "block.add"} : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %7 = nn.relu %6 {layer = "block.out"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %8 = nn.sigmoid %7 {layer = "gate"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %9 = nn.conv %8, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "head"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %10 = nn.softmax %9 <axis = 1> {layer = "prob"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return %10 : tensor<1x2x4x4xf32>
}
