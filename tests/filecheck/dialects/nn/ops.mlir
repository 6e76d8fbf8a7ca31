// RUN: octet-opt %s | octet-opt | filecheck %s

// Every op of the dialect, printed, parsed and printed again.
// CHECK-LABEL: func.func @ops
func.func @ops(
  %x : tensor<1x4x8x8xf32>,
  %w : tensor<6x4x3x3xf32>,
  %wt : tensor<4x3x3x3xf32>,
  %b6 : tensor<6xf32>,
  %b3 : tensor<3xf32>,
  %r : tensor<1x6x8x8xf32>,
  %v : tensor<4xf32>,
  %m : tensor<2x3xf32>,
  %k : tensor<3x4xf32>,
  %mr : tensor<2x4xf32>,
  %nb : tensor<4x2x1xui8>,
  %ns : tensor<4x2xf32>,
  %nz : tensor<4x2xui8>,
  %i : tensor<2x3xi64>,
  %c : tensor<2x3xi1>,
  %idx : tensor<5xi64>,
  %q : tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>,
  %s : tensor<1x4x8x8x!quant.uniform<i8:f32, 0.05:-3>>,
  %qw : tensor<6x4x3x3x!quant.uniform<i8<-127:127>:f32:0, {0.1, 0.2, 0.3, 0.4, 0.5, 0.6}>>,
  %qb : tensor<6x!quant.uniform<i32:f32:0, {0.01, 0.02, 0.03, 0.04, 0.05, 0.06}>>,
  %qr : tensor<1x6x8x8x!quant.uniform<u8:f32, 0.2:7>>,
  %qm : tensor<2x3x!quant.uniform<u8:f32, 0.1:3>>,
  %qn : tensor<3x4x!quant.uniform<i8<-127:127>:f32:1, {0.1, 0.2, 0.3, 0.4}>>,
  %qmr : tensor<2x4x!quant.uniform<u8:f32, 0.2>>,
  %u : tensor<1x4x8x8xui8>,
  %uw : tensor<6x4x3x3xi8>,
  %s3 : tensor<2x5x12xf32>,
  %qs3 : tensor<2x5x12x!quant.uniform<u8:f32, 0.1:3>>,
  %km : tensor<2x1x1x5xf32>,
  %um : tensor<2x3xui8>,
  %un : tensor<3x4xi8>,
  %z : tensor<ui8>,
  %zw : tensor<i8>
) {

  // Constants: a handle, elements in the text, quantized.
  // CHECK: nn.constant <value = #nn.weight<"0000000000000000000000000000000000000000000000000000000000000001">> : () -> tensor<6x4x3x3xf32>
  %0 = nn.constant <value = #nn.weight<"0000000000000000000000000000000000000000000000000000000000000001">> : () -> tensor<6x4x3x3xf32>
  // CHECK: nn.constant <value = dense<[1, 2]> : tensor<2xi64>> : () -> tensor<2xi64>
  %1 = nn.constant <value = dense<[1, 2]> : tensor<2xi64>> : () -> tensor<2xi64>
  // CHECK: nn.constant <value = #nn.weight<"0000000000000000000000000000000000000000000000000000000000000001">> : () -> tensor<6x4x3x3x!quant.uniform<i8<-127:127>:f32:0, {0.1, 0.2, 0.3, 0.4, 0.5, 0.6}>>
  %2 = nn.constant <value = #nn.weight<"0000000000000000000000000000000000000000000000000000000000000001">> : () -> tensor<6x4x3x3x!quant.uniform<i8<-127:127>:f32:0, {0.1, 0.2, 0.3, 0.4, 0.5, 0.6}>>

  // Attributes every op may have.
  // CHECK: nn.relu %x {absorbed = ["Relu_1", "Relu_2"], layer = "Relu_0", placed_by = "rule 1", precision = #nn<precision f32>, range = array<f64: 0.000000e+00, 6.000000e+00>} : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %3 = nn.relu %x {absorbed = ["Relu_1", "Relu_2"], layer = "Relu_0", placed_by = "rule 1", precision = #nn<precision f32>, range = array<f64: 0.000000e+00, 6.000000e+00>} : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>

  // Unary.
  // CHECK: nn.relu %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %4 = nn.relu %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.clip %x <max = 6.0, min = -inf> : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %5 = nn.clip %x <max = 6.0, min = -inf> : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.leaky_relu %x <alpha = 0.01> : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %6 = nn.leaky_relu %x <alpha = 0.01> : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.elu %x <alpha = 1.0> : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %7 = nn.elu %x <alpha = 1.0> : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.hard_swish %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %8 = nn.hard_swish %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.hard_sigmoid %x <alpha = 0.2, beta = 0.5> : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %9 = nn.hard_sigmoid %x <alpha = 0.2, beta = 0.5> : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.gelu %x <approximate = "tanh"> : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %10 = nn.gelu %x <approximate = "tanh"> : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.sigmoid %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %11 = nn.sigmoid %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.silu %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %12 = nn.silu %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.tanh %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %13 = nn.tanh %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.erf %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %14 = nn.erf %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.sqrt %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %15 = nn.sqrt %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.exp %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %16 = nn.exp %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.log %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %17 = nn.log %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.neg %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %18 = nn.neg %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.abs %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %19 = nn.abs %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.reciprocal %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %20 = nn.reciprocal %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.floor %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %21 = nn.floor %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.ceil %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %22 = nn.ceil %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.round %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %23 = nn.round %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.sign %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %24 = nn.sign %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.not %c : (tensor<2x3xi1>) -> tensor<2x3xi1>
  %25 = nn.not %c : (tensor<2x3xi1>) -> tensor<2x3xi1>
  // CHECK: nn.cast %i : (tensor<2x3xi64>) -> tensor<2x3xf32>
  %26 = nn.cast %i : (tensor<2x3xi64>) -> tensor<2x3xf32>
  // CHECK: nn.lookup %q <table = #nn.weight<"0000000000000000000000000000000000000000000000000000000000000001">> : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>) -> tensor<1x4x8x8x!quant.uniform<i8:f32, 0.05:-3>>
  %27 = nn.lookup %q <table = #nn.weight<"0000000000000000000000000000000000000000000000000000000000000001">> : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>) -> tensor<1x4x8x8x!quant.uniform<i8:f32, 0.05:-3>>
  // CHECK: nn.lookup %s <table = #nn.weight<"0000000000000000000000000000000000000000000000000000000000000001">> : (tensor<1x4x8x8x!quant.uniform<i8:f32, 0.05:-3>>) -> tensor<1x4x8x8xf32>
  %28 = nn.lookup %s <table = #nn.weight<"0000000000000000000000000000000000000000000000000000000000000001">> : (tensor<1x4x8x8x!quant.uniform<i8:f32, 0.05:-3>>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.sigmoid %q {precision = #nn<precision int8>} : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>) -> tensor<1x4x8x8x!quant.uniform<i8:f32, 0.05:-3>>
  %29 = nn.sigmoid %q {precision = #nn<precision int8>} : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>) -> tensor<1x4x8x8x!quant.uniform<i8:f32, 0.05:-3>>
  // CHECK: nn.relu %q : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>) -> tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>
  %30 = nn.relu %q : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>) -> tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>

  // Binary, with broadcasting.
  // CHECK: nn.add %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %31 = nn.add %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  // CHECK: nn.sub %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %32 = nn.sub %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  // CHECK: nn.mul %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %33 = nn.mul %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  // CHECK: nn.div %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %34 = nn.div %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  // CHECK: nn.mod %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %35 = nn.mod %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  // CHECK: nn.pow %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %36 = nn.pow %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  // CHECK: nn.min %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %37 = nn.min %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  // CHECK: nn.max %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %38 = nn.max %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  // CHECK: nn.prelu %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %39 = nn.prelu %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  // CHECK: nn.equal %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xi1>
  %40 = nn.equal %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xi1>
  // CHECK: nn.less %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xi1>
  %41 = nn.less %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xi1>
  // CHECK: nn.less_equal %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xi1>
  %42 = nn.less_equal %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xi1>
  // CHECK: nn.greater %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xi1>
  %43 = nn.greater %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xi1>
  // CHECK: nn.greater_equal %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xi1>
  %44 = nn.greater_equal %m, %b3 : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xi1>
  // CHECK: nn.and %c, %c : (tensor<2x3xi1>, tensor<2x3xi1>) -> tensor<2x3xi1>
  %45 = nn.and %c, %c : (tensor<2x3xi1>, tensor<2x3xi1>) -> tensor<2x3xi1>
  // CHECK: nn.or %c, %c : (tensor<2x3xi1>, tensor<2x3xi1>) -> tensor<2x3xi1>
  %46 = nn.or %c, %c : (tensor<2x3xi1>, tensor<2x3xi1>) -> tensor<2x3xi1>
  // CHECK: nn.xor %c, %c : (tensor<2x3xi1>, tensor<2x3xi1>) -> tensor<2x3xi1>
  %47 = nn.xor %c, %c : (tensor<2x3xi1>, tensor<2x3xi1>) -> tensor<2x3xi1>
  // CHECK: nn.where %c, %m, %b3 : (tensor<2x3xi1>, tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %48 = nn.where %c, %m, %b3 : (tensor<2x3xi1>, tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  // CHECK: nn.add %q, %s : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>, tensor<1x4x8x8x!quant.uniform<i8:f32, 0.05:-3>>) -> tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>
  %49 = nn.add %q, %s : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>, tensor<1x4x8x8x!quant.uniform<i8:f32, 0.05:-3>>) -> tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>
  // CHECK: nn.sub %q, %s : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>, tensor<1x4x8x8x!quant.uniform<i8:f32, 0.05:-3>>) -> tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>
  %50 = nn.sub %q, %s : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>, tensor<1x4x8x8x!quant.uniform<i8:f32, 0.05:-3>>) -> tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>
  // CHECK: nn.mul %q, %s : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>, tensor<1x4x8x8x!quant.uniform<i8:f32, 0.05:-3>>) -> tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>
  %51 = nn.mul %q, %s : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>, tensor<1x4x8x8x!quant.uniform<i8:f32, 0.05:-3>>) -> tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>

  // Linear, with and without what may follow.
  // CHECK: nn.conv %x, %w <dilations = [1, 1], groups = 1, pads = [1, 1, 1, 1], strides = [1, 1]> : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x8x8xf32>
  %52 = nn.conv %x, %w <dilations = [1, 1], groups = 1, pads = [1, 1, 1, 1], strides = [1, 1]> : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x8x8xf32>
  // CHECK: nn.conv %x, %w, bias = %b6 <dilations = [1, 1], groups = 1, pads = [1, 1, 1, 1], strides = [1, 1]> : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>, tensor<6xf32>) -> tensor<1x6x8x8xf32>
  %53 = nn.conv %x, %w, bias = %b6 <dilations = [1, 1], groups = 1, pads = [1, 1, 1, 1], strides = [1, 1]> : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>, tensor<6xf32>) -> tensor<1x6x8x8xf32>
  // CHECK: nn.conv %x, %w, residual = %r <dilations = [1, 1], groups = 1, pads = [1, 1, 1, 1], strides = [1, 1]> : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>, tensor<1x6x8x8xf32>) -> tensor<1x6x8x8xf32>
  %54 = nn.conv %x, %w, residual = %r <dilations = [1, 1], groups = 1, pads = [1, 1, 1, 1], strides = [1, 1]> : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>, tensor<1x6x8x8xf32>) -> tensor<1x6x8x8xf32>
  // CHECK: nn.conv %x, %w, bias = %b6, residual = %r <activation = #nn.activation<relu>, dilations = [1, 1], groups = 1, pads = [1, 1, 1, 1], strides = [1, 1]> : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>, tensor<6xf32>, tensor<1x6x8x8xf32>) -> tensor<1x6x8x8xf32>
  %55 = nn.conv %x, %w, bias = %b6, residual = %r <activation = #nn.activation<relu>, dilations = [1, 1], groups = 1, pads = [1, 1, 1, 1], strides = [1, 1]> : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>, tensor<6xf32>, tensor<1x6x8x8xf32>) -> tensor<1x6x8x8xf32>
  // CHECK: nn.conv %q, %qw, bias = %qb, residual = %qr <activation = #nn.activation<relu>, dilations = [1, 1], groups = 1, pads = [1, 1, 1, 1], strides = [1, 1]> {precision = #nn<precision int8>} : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>, tensor<6x4x3x3x!quant.uniform<i8<-127:127>:f32:0, {0.1, 0.2, 0.3, 0.4, 0.5, 0.6}>>, tensor<6x!quant.uniform<i32:f32:0, {0.01, 0.02, 0.03, 0.04, 0.05, 0.06}>>, tensor<1x6x8x8x!quant.uniform<u8:f32, 0.2:7>>) -> tensor<1x6x8x8x!quant.uniform<u8:f32, 0.2:7>>
  %56 = nn.conv %q, %qw, bias = %qb, residual = %qr <activation = #nn.activation<relu>, dilations = [1, 1], groups = 1, pads = [1, 1, 1, 1], strides = [1, 1]> {precision = #nn<precision int8>} : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>, tensor<6x4x3x3x!quant.uniform<i8<-127:127>:f32:0, {0.1, 0.2, 0.3, 0.4, 0.5, 0.6}>>, tensor<6x!quant.uniform<i32:f32:0, {0.01, 0.02, 0.03, 0.04, 0.05, 0.06}>>, tensor<1x6x8x8x!quant.uniform<u8:f32, 0.2:7>>) -> tensor<1x6x8x8x!quant.uniform<u8:f32, 0.2:7>>
  // CHECK: nn.conv_transpose %x, %wt <dilations = [1, 1], groups = 1, output_padding = [0, 0], pads = [1, 1, 1, 1], strides = [1, 1]> : (tensor<1x4x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<1x3x8x8xf32>
  %57 = nn.conv_transpose %x, %wt <dilations = [1, 1], groups = 1, output_padding = [0, 0], pads = [1, 1, 1, 1], strides = [1, 1]> : (tensor<1x4x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<1x3x8x8xf32>
  // CHECK: nn.conv_transpose %x, %wt, bias = %b3 <dilations = [1, 1], groups = 1, output_padding = [0, 0], pads = [1, 1, 1, 1], strides = [1, 1]> : (tensor<1x4x8x8xf32>, tensor<4x3x3x3xf32>, tensor<3xf32>) -> tensor<1x3x8x8xf32>
  %58 = nn.conv_transpose %x, %wt, bias = %b3 <dilations = [1, 1], groups = 1, output_padding = [0, 0], pads = [1, 1, 1, 1], strides = [1, 1]> : (tensor<1x4x8x8xf32>, tensor<4x3x3x3xf32>, tensor<3xf32>) -> tensor<1x3x8x8xf32>
  // CHECK: nn.matmul %m, %k : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
  %59 = nn.matmul %m, %k : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
  // CHECK: nn.matmul %m, %k, bias = %v : (tensor<2x3xf32>, tensor<3x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %60 = nn.matmul %m, %k, bias = %v : (tensor<2x3xf32>, tensor<3x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  // CHECK: nn.matmul %m, %k, bias = %v, residual = %mr <activation = #nn.activation<clip -1.0, 6.0>> : (tensor<2x3xf32>, tensor<3x4xf32>, tensor<4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %61 = nn.matmul %m, %k, bias = %v, residual = %mr <activation = #nn.activation<clip -1.0, 6.0>> : (tensor<2x3xf32>, tensor<3x4xf32>, tensor<4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  // CHECK: nn.matmul %qm, %qn, residual = %qmr : (tensor<2x3x!quant.uniform<u8:f32, 0.1:3>>, tensor<3x4x!quant.uniform<i8<-127:127>:f32:1, {0.1, 0.2, 0.3, 0.4}>>, tensor<2x4x!quant.uniform<u8:f32, 0.2>>) -> tensor<2x4x!quant.uniform<u8:f32, 0.2>>
  %62 = nn.matmul %qm, %qn, residual = %qmr : (tensor<2x3x!quant.uniform<u8:f32, 0.1:3>>, tensor<3x4x!quant.uniform<i8<-127:127>:f32:1, {0.1, 0.2, 0.3, 0.4}>>, tensor<2x4x!quant.uniform<u8:f32, 0.2>>) -> tensor<2x4x!quant.uniform<u8:f32, 0.2>>

  // Products with weights of few bits.
  // CHECK: nn.matmul %m, %k {linear_format = #nn.linear_format<group_size = 32, weights = "int4">} : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
  %300 = nn.matmul %m, %k {linear_format = #nn.linear_format<weights = "int4", group_size = 32>} : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
  // CHECK: nn.matmul_nbits %m, %nb, %ns <bits = 4, block_size = 2> : (tensor<2x3xf32>, tensor<4x2x1xui8>, tensor<4x2xf32>) -> tensor<2x4xf32>
  %301 = nn.matmul_nbits %m, %nb, %ns <bits = 4, block_size = 2> : (tensor<2x3xf32>, tensor<4x2x1xui8>, tensor<4x2xf32>) -> tensor<2x4xf32>
  // CHECK: nn.matmul_nbits %m, %nb, %ns, zero_points = %nz, bias = %v, residual = %mr <activation = #nn.activation<relu>, bits = 4, block_size = 2> : (tensor<2x3xf32>, tensor<4x2x1xui8>, tensor<4x2xf32>, tensor<4x2xui8>, tensor<4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %302 = nn.matmul_nbits %m, %nb, %ns, zero_points = %nz, bias = %v, residual = %mr <bits = 4, block_size = 2, activation = #nn.activation<relu>> : (tensor<2x3xf32>, tensor<4x2x1xui8>, tensor<4x2xf32>, tensor<4x2xui8>, tensor<4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  // CHECK: nn.matmul_dynamic %m, %qn, bias = %v : (tensor<2x3xf32>, tensor<3x4x!quant.uniform<i8<-127:127>:f32:1, {0.1, 0.2, 0.3, 0.4}>>, tensor<4xf32>) -> tensor<2x4xf32>
  %303 = nn.matmul_dynamic %m, %qn, bias = %v : (tensor<2x3xf32>, tensor<3x4x!quant.uniform<i8<-127:127>:f32:1, {0.1, 0.2, 0.3, 0.4}>>, tensor<4xf32>) -> tensor<2x4xf32>

  // Attention; between quantized tensors the mask stays float.
  // CHECK: nn.attention %s3, %s3, %s3 <heads = 3, scale = 0.5> : (tensor<2x5x12xf32>, tensor<2x5x12xf32>, tensor<2x5x12xf32>) -> tensor<2x5x12xf32>
  %200 = nn.attention %s3, %s3, %s3 <heads = 3, scale = 0.5> : (tensor<2x5x12xf32>, tensor<2x5x12xf32>, tensor<2x5x12xf32>) -> tensor<2x5x12xf32>
  // CHECK: nn.attention %qs3, %qs3, %qs3, mask = %km <heads = 3, scale = 0.5> : (tensor<2x5x12x!quant.uniform<u8:f32, 0.1:3>>, tensor<2x5x12x!quant.uniform<u8:f32, 0.1:3>>, tensor<2x5x12x!quant.uniform<u8:f32, 0.1:3>>, tensor<2x1x1x5xf32>) -> tensor<2x5x12x!quant.uniform<u8:f32, 0.1:3>>
  %201 = nn.attention %qs3, %qs3, %qs3, mask = %km <heads = 3, scale = 0.5> : (tensor<2x5x12x!quant.uniform<u8:f32, 0.1:3>>, tensor<2x5x12x!quant.uniform<u8:f32, 0.1:3>>, tensor<2x5x12x!quant.uniform<u8:f32, 0.1:3>>, tensor<2x1x1x5xf32>) -> tensor<2x5x12x!quant.uniform<u8:f32, 0.1:3>>

  // Run-time quantization parameters.
  // CHECK: nn.dynamic_quantize %x : (tensor<1x4x8x8xf32>) -> (tensor<1x4x8x8xui8>, tensor<f32>, tensor<ui8>)
  %63, %64, %65 = nn.dynamic_quantize %x : (tensor<1x4x8x8xf32>) -> (tensor<1x4x8x8xui8>, tensor<f32>, tensor<ui8>)
  // CHECK: nn.conv_integer %u, %uw <dilations = [1, 1], groups = 1, pads = [1, 1, 1, 1], strides = [1, 1]> : (tensor<1x4x8x8xui8>, tensor<6x4x3x3xi8>) -> tensor<1x6x8x8xi32>
  %66 = nn.conv_integer %u, %uw <dilations = [1, 1], groups = 1, pads = [1, 1, 1, 1], strides = [1, 1]> : (tensor<1x4x8x8xui8>, tensor<6x4x3x3xi8>) -> tensor<1x6x8x8xi32>
  // CHECK: nn.conv_integer %u, %uw, x_zero_point = %z, weight_zero_point = %zw <dilations = [1, 1], groups = 1, pads = [1, 1, 1, 1], strides = [1, 1]> : (tensor<1x4x8x8xui8>, tensor<6x4x3x3xi8>, tensor<ui8>, tensor<i8>) -> tensor<1x6x8x8xi32>
  %67 = nn.conv_integer %u, %uw, x_zero_point = %z, weight_zero_point = %zw <dilations = [1, 1], groups = 1, pads = [1, 1, 1, 1], strides = [1, 1]> : (tensor<1x4x8x8xui8>, tensor<6x4x3x3xi8>, tensor<ui8>, tensor<i8>) -> tensor<1x6x8x8xi32>
  // CHECK: nn.matmul_integer %um, %un : (tensor<2x3xui8>, tensor<3x4xi8>) -> tensor<2x4xi32>
  %68 = nn.matmul_integer %um, %un : (tensor<2x3xui8>, tensor<3x4xi8>) -> tensor<2x4xi32>
  // CHECK: nn.matmul_integer %um, %un, b_zero_point = %zw : (tensor<2x3xui8>, tensor<3x4xi8>, tensor<i8>) -> tensor<2x4xi32>
  %69 = nn.matmul_integer %um, %un, b_zero_point = %zw : (tensor<2x3xui8>, tensor<3x4xi8>, tensor<i8>) -> tensor<2x4xi32>
  // CHECK: nn.matmul_integer %um, %un, a_zero_point = %z, b_zero_point = %zw : (tensor<2x3xui8>, tensor<3x4xi8>, tensor<ui8>, tensor<i8>) -> tensor<2x4xi32>
  %70 = nn.matmul_integer %um, %un, a_zero_point = %z, b_zero_point = %zw : (tensor<2x3xui8>, tensor<3x4xi8>, tensor<ui8>, tensor<i8>) -> tensor<2x4xi32>

  // Pooling.
  // CHECK: nn.max_pool %x <ceil_mode = false, dilations = [1, 1], kernel = [2, 2], pads = [0, 0, 0, 0], strides = [2, 2]> : (tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32>
  %71 = nn.max_pool %x <ceil_mode = false, dilations = [1, 1], kernel = [2, 2], pads = [0, 0, 0, 0], strides = [2, 2]> : (tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32>
  // CHECK: nn.avg_pool %x <ceil_mode = true, count_include_pad = false, dilations = [1, 1], kernel = [2, 2], pads = [0, 0, 0, 0], strides = [2, 2]> : (tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32>
  %72 = nn.avg_pool %x <ceil_mode = true, count_include_pad = false, dilations = [1, 1], kernel = [2, 2], pads = [0, 0, 0, 0], strides = [2, 2]> : (tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32>
  // CHECK: nn.max_pool %q <ceil_mode = false, dilations = [1, 1], kernel = [2, 2], pads = [0, 0, 0, 0], strides = [2, 2]> : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>) -> tensor<1x4x4x4x!quant.uniform<u8:f32, 0.1:3>>
  %73 = nn.max_pool %q <ceil_mode = false, dilations = [1, 1], kernel = [2, 2], pads = [0, 0, 0, 0], strides = [2, 2]> : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>) -> tensor<1x4x4x4x!quant.uniform<u8:f32, 0.1:3>>
  // CHECK: nn.avg_pool %q <ceil_mode = true, count_include_pad = false, dilations = [1, 1], kernel = [2, 2], pads = [0, 0, 0, 0], strides = [2, 2]> : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>) -> tensor<1x4x4x4x!quant.uniform<i8:f32, 0.05:-3>>
  %74 = nn.avg_pool %q <ceil_mode = true, count_include_pad = false, dilations = [1, 1], kernel = [2, 2], pads = [0, 0, 0, 0], strides = [2, 2]> : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>) -> tensor<1x4x4x4x!quant.uniform<i8:f32, 0.05:-3>>

  // Normalization.
  // CHECK: nn.batch_norm %x, %v, %v, %v, %v <epsilon = 1.0e-05> : (tensor<1x4x8x8xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<1x4x8x8xf32>
  %75 = nn.batch_norm %x, %v, %v, %v, %v <epsilon = 1.0e-05> : (tensor<1x4x8x8xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.layer_norm %m <axis = -1, epsilon = 1.0e-12> : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %76 = nn.layer_norm %m <axis = -1, epsilon = 1.0e-12> : (tensor<2x3xf32>) -> tensor<2x3xf32>
  // CHECK: nn.layer_norm %m, bias = %b3 <axis = 1, epsilon = 1.0e-12> : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %77 = nn.layer_norm %m, bias = %b3 <axis = 1, epsilon = 1.0e-12> : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  // CHECK: nn.layer_norm %m, scale = %b3, bias = %b3 <axis = 1, epsilon = 1.0e-12> : (tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %78 = nn.layer_norm %m, scale = %b3, bias = %b3 <axis = 1, epsilon = 1.0e-12> : (tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  // CHECK: nn.instance_norm %x, %v, %v <epsilon = 1.0e-05> : (tensor<1x4x8x8xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<1x4x8x8xf32>
  %79 = nn.instance_norm %x, %v, %v <epsilon = 1.0e-05> : (tensor<1x4x8x8xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.lrn %x <alpha = 0.0001, beta = 0.75, bias = 1.0, size = 5> : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %80 = nn.lrn %x <alpha = 0.0001, beta = 0.75, bias = 1.0, size = 5> : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.softmax %m <axis = 1> : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %81 = nn.softmax %m <axis = 1> : (tensor<2x3xf32>) -> tensor<2x3xf32>
  // CHECK: nn.log_softmax %m <axis = 1> : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %82 = nn.log_softmax %m <axis = 1> : (tensor<2x3xf32>) -> tensor<2x3xf32>

  // Movement. A shape entry below -1 copies a dimension of the operand.
  // CHECK: nn.reshape %x <shape = [-2, 4, -1]> : (tensor<1x4x8x8xf32>) -> tensor<1x4x64xf32>
  %83 = nn.reshape %x <shape = [-2, 4, -1]> : (tensor<1x4x8x8xf32>) -> tensor<1x4x64xf32>
  // CHECK: nn.reshape %q <shape = [-2, 256]> : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>) -> tensor<1x256x!quant.uniform<u8:f32, 0.1:3>>
  %84 = nn.reshape %q <shape = [-2, 256]> : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>) -> tensor<1x256x!quant.uniform<u8:f32, 0.1:3>>
  // CHECK: nn.transpose %x <permutation = [0, 2, 3, 1]> : (tensor<1x4x8x8xf32>) -> tensor<1x8x8x4xf32>
  %85 = nn.transpose %x <permutation = [0, 2, 3, 1]> : (tensor<1x4x8x8xf32>) -> tensor<1x8x8x4xf32>
  // CHECK: nn.concat %x, %x, %x <axis = 1> : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x12x8x8xf32>
  %86 = nn.concat %x, %x, %x <axis = 1> : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x12x8x8xf32>
  // CHECK: nn.slice %x <ends = [9223372036854775807, 3, -1, -9223372036854775808], starts = [0, 1, 0, 7], steps = [1, 1, 2, -1]> : (tensor<1x4x8x8xf32>) -> tensor<1x2x4x8xf32>
  %87 = nn.slice %x <ends = [9223372036854775807, 3, -1, -9223372036854775808], starts = [0, 1, 0, 7], steps = [1, 1, 2, -1]> : (tensor<1x4x8x8xf32>) -> tensor<1x2x4x8xf32>
  // CHECK: nn.pad %x <mode = "reflect", pads = [0, 0, 1, 1, 0, 0, 2, -2], value = 0.0> : (tensor<1x4x8x8xf32>) -> tensor<1x4x11x7xf32>
  %88 = nn.pad %x <mode = "reflect", pads = [0, 0, 1, 1, 0, 0, 2, -2], value = 0.0> : (tensor<1x4x8x8xf32>) -> tensor<1x4x11x7xf32>
  // CHECK: nn.expand %b3 <shape = [2, 3]> : (tensor<3xf32>) -> tensor<2x3xf32>
  %89 = nn.expand %b3 <shape = [2, 3]> : (tensor<3xf32>) -> tensor<2x3xf32>
  // CHECK: nn.expand %b3, like = %m <shape = [-3, 3]> : (tensor<3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %expanded = nn.expand %b3, like = %m <shape = [-3, 3]> : (tensor<3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  // CHECK: nn.crop %b3, %m <shape = [-3]> : (tensor<3xf32>, tensor<2x3xf32>) -> tensor<2xf32>
  %cropped = nn.crop %b3, %m <shape = [-3]> : (tensor<3xf32>, tensor<2x3xf32>) -> tensor<2xf32>
  // CHECK: nn.tile %m <repeats = [2, 1]> : (tensor<2x3xf32>) -> tensor<4x3xf32>
  %90 = nn.tile %m <repeats = [2, 1]> : (tensor<2x3xf32>) -> tensor<4x3xf32>
  // CHECK: nn.gather %m, %idx <axis = 0> : (tensor<2x3xf32>, tensor<5xi64>) -> tensor<5x3xf32>
  %91 = nn.gather %m, %idx <axis = 0> : (tensor<2x3xf32>, tensor<5xi64>) -> tensor<5x3xf32>
  // CHECK: nn.resize %x <coordinate_transformation = "half_pixel", cubic_coeff = -0.75, exclude_outside = false, extrapolation_value = 0.0, mode = "linear", nearest_mode = "floor", scales = [1.0, 1.0, 2.0, 2.0]> : (tensor<1x4x8x8xf32>) -> tensor<1x4x16x16xf32>
  %92 = nn.resize %x <coordinate_transformation = "half_pixel", cubic_coeff = -0.75, exclude_outside = false, extrapolation_value = 0.0, mode = "linear", nearest_mode = "floor", scales = [1.0, 1.0, 2.0, 2.0]> : (tensor<1x4x8x8xf32>) -> tensor<1x4x16x16xf32>
  // CHECK: nn.resize %q <coordinate_transformation = "asymmetric", cubic_coeff = -0.75, exclude_outside = false, extrapolation_value = 0.0, mode = "nearest", nearest_mode = "floor", sizes = [-2, 4, 16, 16]> : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>) -> tensor<1x4x16x16x!quant.uniform<u8:f32, 0.1:3>>
  %93 = nn.resize %q <coordinate_transformation = "asymmetric", cubic_coeff = -0.75, exclude_outside = false, extrapolation_value = 0.0, mode = "nearest", nearest_mode = "floor", sizes = [-2, 4, 16, 16]> : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>) -> tensor<1x4x16x16x!quant.uniform<u8:f32, 0.1:3>>
  // CHECK: nn.depth_to_space %x <block = 2, mode = "CRD"> : (tensor<1x4x8x8xf32>) -> tensor<1x1x16x16xf32>
  %94 = nn.depth_to_space %x <block = 2, mode = "CRD"> : (tensor<1x4x8x8xf32>) -> tensor<1x1x16x16xf32>
  // CHECK: nn.space_to_depth %x <block = 2> : (tensor<1x4x8x8xf32>) -> tensor<1x16x4x4xf32>
  %95 = nn.space_to_depth %x <block = 2> : (tensor<1x4x8x8xf32>) -> tensor<1x16x4x4xf32>

  // Reductions.
  // CHECK: nn.reduce_mean %x <axes = [2, 3], keepdims = true> : (tensor<1x4x8x8xf32>) -> tensor<1x4x1x1xf32>
  %96 = nn.reduce_mean %x <axes = [2, 3], keepdims = true> : (tensor<1x4x8x8xf32>) -> tensor<1x4x1x1xf32>
  // CHECK: nn.reduce_sum %x <axes = [2, 3], keepdims = true> : (tensor<1x4x8x8xf32>) -> tensor<1x4x1x1xf32>
  %97 = nn.reduce_sum %x <axes = [2, 3], keepdims = true> : (tensor<1x4x8x8xf32>) -> tensor<1x4x1x1xf32>
  // CHECK: nn.reduce_max %x <axes = [2, 3], keepdims = true> : (tensor<1x4x8x8xf32>) -> tensor<1x4x1x1xf32>
  %98 = nn.reduce_max %x <axes = [2, 3], keepdims = true> : (tensor<1x4x8x8xf32>) -> tensor<1x4x1x1xf32>
  // CHECK: nn.reduce_min %x <axes = [2, 3], keepdims = true> : (tensor<1x4x8x8xf32>) -> tensor<1x4x1x1xf32>
  %99 = nn.reduce_min %x <axes = [2, 3], keepdims = true> : (tensor<1x4x8x8xf32>) -> tensor<1x4x1x1xf32>
  // CHECK: nn.reduce_prod %x <axes = [2, 3], keepdims = true> : (tensor<1x4x8x8xf32>) -> tensor<1x4x1x1xf32>
  %100 = nn.reduce_prod %x <axes = [2, 3], keepdims = true> : (tensor<1x4x8x8xf32>) -> tensor<1x4x1x1xf32>
  // CHECK: nn.reduce_mean %q <axes = [2, 3], keepdims = false> : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>) -> tensor<1x4x!quant.uniform<i8:f32, 0.05:-3>>
  %101 = nn.reduce_mean %q <axes = [2, 3], keepdims = false> : (tensor<1x4x8x8x!quant.uniform<u8:f32, 0.1:3>>) -> tensor<1x4x!quant.uniform<i8:f32, 0.05:-3>>
  // CHECK: nn.argmax %m <axis = 1, keepdims = false, select_last_index = false> : (tensor<2x3xf32>) -> tensor<2xi64>
  %102 = nn.argmax %m <axis = 1, keepdims = false, select_last_index = false> : (tensor<2x3xf32>) -> tensor<2xi64>
  // CHECK: nn.argmin %m <axis = 1, keepdims = true, select_last_index = true> : (tensor<2x3xf32>) -> tensor<2x1xi64>
  %103 = nn.argmin %m <axis = 1, keepdims = true, select_last_index = true> : (tensor<2x3xf32>) -> tensor<2x1xi64>
  // CHECK: nn.topk %m <axis = 1, k = 2, largest = true, sorted = true> : (tensor<2x3xf32>) -> (tensor<2x2xf32>, tensor<2x2xi64>)
  %104, %105 = nn.topk %m <axis = 1, k = 2, largest = true, sorted = true> : (tensor<2x3xf32>) -> (tensor<2x2xf32>, tensor<2x2xi64>)
  func.return
}
