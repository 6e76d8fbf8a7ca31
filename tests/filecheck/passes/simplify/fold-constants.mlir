// RUN: octet-opt %s -p "fold-constants" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "fold-constants,fold-constants" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "fold-constants{max-elements=3}" --split-input-file | filecheck %s --check-prefix=SMALL

// A chain, an op with two results, and integers.
// CHECK-LABEL: @folds
// CHECK-DAG:  %[[A:.*]] = nn.constant <value = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>>
// CHECK-DAG:  %[[TOP:.*]] = nn.constant <value = dense<5.000000e+00> : tensor<1xf32>>
// CHECK-DAG:  %[[INDEX:.*]] = nn.constant <value = dense<1> : tensor<1xi64>>
// CHECK-DAG:  %[[SHAPE:.*]] = nn.constant <value = dense<[4, 6]> : tensor<2xi64>>
// CHECK-NOT:  nn.sqrt
// CHECK-NOT:  nn.topk
// CHECK:      func.return %[[A]], %[[TOP]], %[[INDEX]], %[[SHAPE]]
// SMALL-LABEL: @folds
// SMALL-NOT:  nn.sqrt
func.func @folds() -> (tensor<2xf32>, tensor<1xf32>, tensor<1xi64>, tensor<2xi64>) {
  %0 = nn.constant <value = dense<[1.0, 16.0]> : tensor<2xf32>> : () -> tensor<2xf32>
  %1 = nn.sqrt %0 : (tensor<2xf32>) -> tensor<2xf32>
  %2 = nn.sqrt %1 : (tensor<2xf32>) -> tensor<2xf32>
  %3 = nn.constant <value = dense<[3.0, 5.0]> : tensor<2xf32>> : () -> tensor<2xf32>
  %4, %5 = nn.topk %3 <k = 1, axis = 0, largest = true, sorted = true> : (tensor<2xf32>) -> (tensor<1xf32>, tensor<1xi64>)
  %6 = nn.constant <value = dense<[2, 3]> : tensor<2xi64>> : () -> tensor<2xi64>
  %7 = nn.add %6, %6 : (tensor<2xi64>, tensor<2xi64>) -> tensor<2xi64>
  func.return %2, %4, %5, %7 : tensor<2xf32>, tensor<1xf32>, tensor<1xi64>, tensor<2xi64>
}

// -----

// Larger than `max-elements` allows.
// CHECK-LABEL: @expands
// CHECK-NEXT:  nn.constant <value = dense<1.000000e+00> : tensor<2x2xf32>>
// CHECK-NEXT:  func.return
// SMALL-LABEL: @expands
// SMALL:       nn.expand
func.func @expands() -> tensor<2x2xf32> {
  %0 = nn.constant <value = dense<1.0> : tensor<1xf32>> : () -> tensor<1xf32>
  %1 = nn.expand %0 <shape = [2, 2]> : (tensor<1xf32>) -> tensor<2x2xf32>
  func.return %1 : tensor<2x2xf32>
}

// -----

// An operand that is an input; casts of the quant dialect; quantized operands.
// CHECK-LABEL: @stays
// CHECK:       nn.add
// CHECK:       quant.qcast
// CHECK:       nn.relu
// CHECK:       quant.dcast
// CHECK:       nn.reshape
func.func @stays(%x : tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>, tensor<2x1x!quant.uniform<u8:f32, 0.1>>) {
  %0 = nn.constant <value = dense<[1.0, 16.0]> : tensor<2xf32>> : () -> tensor<2xf32>
  %1 = nn.add %x, %0 : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %2 = quant.qcast %0 : tensor<2xf32> -> tensor<2x!quant.uniform<u8:f32, 0.1>>
  %3 = nn.relu %2 : (tensor<2x!quant.uniform<u8:f32, 0.1>>) -> tensor<2x!quant.uniform<u8:f32, 0.1>>
  %4 = quant.dcast %3 : tensor<2x!quant.uniform<u8:f32, 0.1>> -> tensor<2xf32>
  %5 = nn.constant <value = #nn.weight<"0000000000000000000000000000000000000000000000000000000000000000">> : () -> tensor<2x!quant.uniform<u8:f32, 0.1>>
  %6 = nn.reshape %5 <shape = [2, 1]> : (tensor<2x!quant.uniform<u8:f32, 0.1>>) -> tensor<2x1x!quant.uniform<u8:f32, 0.1>>
  func.return %1, %4, %6 : tensor<2xf32>, tensor<2xf32>, tensor<2x1x!quant.uniform<u8:f32, 0.1>>
}
