// What cannot be read, with a caret where it goes wrong.
// RUN: not octet-opt %s --select "conv" 2>&1 | filecheck %s --strict-whitespace --check-prefix=BARE
// RUN: not octet-opt %s --select "kind:conv" 2>&1 | filecheck %s --strict-whitespace --check-prefix=KIND
// RUN: not octet-opt %s --select "type conv" 2>&1 | filecheck %s --strict-whitespace --check-prefix=COLON
// RUN: not octet-opt %s --select "type:conv and name:" 2>&1 | filecheck %s --strict-whitespace --check-prefix=EMPTY
// RUN: not octet-opt %s --select "type:conv type:relu" 2>&1 | filecheck %s --strict-whitespace --check-prefix=TWO
// RUN: not octet-opt %s --select "type:conv, type:relu" 2>&1 | filecheck %s --strict-whitespace --check-prefix=COMMA
// RUN: not octet-opt %s --select "type:conv and" 2>&1 | filecheck %s --strict-whitespace --check-prefix=END
// RUN: not octet-opt %s --select "not (type:conv" 2>&1 | filecheck %s --strict-whitespace --check-prefix=OPEN
// RUN: not octet-opt %s --select "type:conv)" 2>&1 | filecheck %s --strict-whitespace --check-prefix=CLOSED
// RUN: not octet-opt %s --select "name:'abc" 2>&1 | filecheck %s --strict-whitespace --check-prefix=QUOTE
// RUN: not octet-opt %s --select "name:abc(d" 2>&1 | filecheck %s --strict-whitespace --check-prefix=NAME
// RUN: not octet-opt %s --select "first 2" 2>&1 | filecheck %s --strict-whitespace --check-prefix=CALL
// RUN: not octet-opt %s --select "first(0)" 2>&1 | filecheck %s --strict-whitespace --check-prefix=COUNT
// RUN: not octet-opt %s --select "between(type:conv)" 2>&1 | filecheck %s --strict-whitespace --check-prefix=BETWEEN
// RUN: not octet-opt %s --select "pattern(conv-relu)" 2>&1 | filecheck %s --strict-whitespace --check-prefix=ARROW
// RUN: not octet-opt %s --select "pattern(conv->)" 2>&1 | filecheck %s --strict-whitespace --check-prefix=STEP
// RUN: not octet-opt %s --select "pattern(conv->relu)[:, 2]" 2>&1 | filecheck %s --strict-whitespace --check-prefix=PICK
// RUN: not octet-opt %s --select "index:conv" 2>&1 | filecheck %s --strict-whitespace --check-prefix=INDEX
// RUN: not octet-opt %s --select "re:conv[a" 2>&1 | filecheck %s --strict-whitespace --check-prefix=RE
// RUN: not octet-opt %s --select "re:(a+)+" 2>&1 | filecheck %s --strict-whitespace --check-prefix=REPEAT

// BARE: selector 'conv' is not understood: write type:conv, name:conv, or another of type:..., name:...
// BARE-NEXT:{{^}}  conv
// BARE-NEXT:{{^}}  ^^^^{{$}}

// KIND: there is no 'kind:'; expected type:..., name:..., glob:..., re:..., index:..., pdl:..., first(...)
// KIND-NEXT:{{^}}  kind:conv
// KIND-NEXT:{{^}}  ^^^^^{{$}}

// COLON: 'type' is followed by a colon: type:...
// COLON-NEXT:{{^}}  type conv
// COLON-NEXT:{{^}}  ^^^^{{$}}

// EMPTY: 'name:' needs something behind the colon
// EMPTY-NEXT:{{^}}  type:conv and name:
// EMPTY-NEXT:{{^}}                ^^^^^{{$}}

// TWO: 'and', 'or' or the end is expected here
// TWO-NEXT:{{^}}  type:conv type:relu
// TWO-NEXT:{{^}}            ^^^^^^^^^{{$}}

// COMMA: a single selector is expected; combine several with 'or'
// COMMA-NEXT:{{^}}  type:conv, type:relu
// COMMA-NEXT:{{^}}           ^{{$}}

// END: (at its end): expected type:
// END-NEXT:{{^}}  type:conv and
// END-NEXT:{{^}}               ^{{$}}

// OPEN: (at its end): ')' is expected here to close the parenthesis
// OPEN-NEXT:{{^}}  not (type:conv
// OPEN-NEXT:{{^}}                ^{{$}}

// CLOSED: this parenthesis was not opened
// CLOSED-NEXT:{{^}}  type:conv)
// CLOSED-NEXT:{{^}}           ^{{$}}

// QUOTE: this quote is not closed
// QUOTE-NEXT:{{^}}  name:'abc
// QUOTE-NEXT:{{^}}       ^{{$}}

// NAME: this parenthesis is not closed; a name that has one alone goes in quotes
// NAME-NEXT:{{^}}  name:abc(d
// NAME-NEXT:{{^}}          ^{{$}}

// CALL: 'first' needs parentheses: first(...)
// CALL-NEXT:{{^}}  first 2
// CALL-NEXT:{{^}}  ^^^^^{{$}}

// COUNT: first takes how many, at least 1: first(2), first(2, type:conv)
// COUNT-NEXT:{{^}}  first(0)
// COUNT-NEXT:{{^}}        ^{{$}}

// BETWEEN: ',' is expected here and a second selector: between(a, b)
// BETWEEN-NEXT:{{^}}  between(type:conv)
// BETWEEN-NEXT:{{^}}                   ^{{$}}

// ARROW: ')' is expected here or -> and the next step
// ARROW-NEXT:{{^}}  pattern(conv-relu)
// ARROW-NEXT:{{^}}              ^{{$}}

// STEP: an op type is expected here, such as conv, or *
// STEP-NEXT:{{^}}  pattern(conv->)
// STEP-NEXT:{{^}}                ^{{$}}

// PICK: the pattern has 2 steps, none is there
// PICK-NEXT:{{^}}  pattern(conv->relu)[:, 2]
// PICK-NEXT:{{^}}                         ^{{$}}

// INDEX: an index is written index:conv[0], index:conv[1:3] or index:[3:17]
// INDEX-NEXT:{{^}}  index:conv
// INDEX-NEXT:{{^}}        ^^^^{{$}}

// RE: is no regular expression: unterminated character set
// RE-NEXT:{{^}}  re:conv[a
// RE-NEXT:{{^}}         ^{{$}}

// REPEAT: a repeat of something that repeats may take forever
// REPEAT-NEXT:{{^}}  re:(a+)+
// REPEAT-NEXT:{{^}}         ^{{$}}

func.func @main(%x : tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "stem.conv"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %1 = nn.relu %0 {layer = "stem.act"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return %1 : tensor<1x2x4x4xf32>
}
