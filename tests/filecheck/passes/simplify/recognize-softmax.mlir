// RUN: octet-opt %s -p "recognize-softmax" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "recognize-softmax,recognize-softmax" --split-input-file | filecheck %s

// With the maximum subtracted, and without.
// CHECK-LABEL: @recognizes
// CHECK-NEXT:  nn.softmax %x <axis = 1> {absorbed = ["ReduceMax_0", "Sub_1", "Exp_2", "ReduceSum_3"], layer = "Div_4"}
// CHECK-NEXT:  nn.softmax %x <axis = 0> :
// CHECK-NEXT:  func.return
func.func @recognizes(%x : tensor<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>) {
  %0 = nn.reduce_max %x <axes = [-1], keepdims = true> {layer = "ReduceMax_0"} : (tensor<2x4xf32>) -> tensor<2x1xf32>
  %1 = nn.sub %x, %0 {layer = "Sub_1"} : (tensor<2x4xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
  %2 = nn.exp %1 {layer = "Exp_2"} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %3 = nn.reduce_sum %2 <axes = [1], keepdims = true> {layer = "ReduceSum_3"} : (tensor<2x4xf32>) -> tensor<2x1xf32>
  %4 = nn.div %2, %3 {layer = "Div_4"} : (tensor<2x4xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
  %5 = nn.exp %x : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %6 = nn.reduce_sum %5 <axes = [0], keepdims = true> : (tensor<2x4xf32>) -> tensor<1x4xf32>
  %7 = nn.div %5, %6 : (tensor<2x4xf32>, tensor<1x4xf32>) -> tensor<2x4xf32>
  func.return %4, %7 : tensor<2x4xf32>, tensor<2x4xf32>
}

// -----

// The maximum of another dimension is an offset like any other.
// CHECK-LABEL: @other_maximum
// CHECK-NEXT:  nn.reduce_max
// CHECK-NEXT:  %[[D:.*]] = nn.sub
// CHECK-NEXT:  nn.softmax %[[D]] <axis = 1>
func.func @other_maximum(%x : tensor<2x4xf32>) -> tensor<2x4xf32> {
  %0 = nn.reduce_max %x <axes = [0], keepdims = true> : (tensor<2x4xf32>) -> tensor<1x4xf32>
  %1 = nn.sub %x, %0 : (tensor<2x4xf32>, tensor<1x4xf32>) -> tensor<2x4xf32>
  %2 = nn.exp %1 : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %3 = nn.reduce_sum %2 <axes = [1], keepdims = true> : (tensor<2x4xf32>) -> tensor<2x1xf32>
  %4 = nn.div %2, %3 : (tensor<2x4xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
  func.return %4 : tensor<2x4xf32>
}

// -----

// Exponentials that are an output; a sum over two dimensions; sums of other exponentials.
// CHECK-LABEL: @stays
// CHECK-NOT:   nn.softmax
func.func @stays(%x : tensor<2x4xf32>, %y : tensor<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>) {
  %0 = nn.exp %x : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %1 = nn.reduce_sum %0 <axes = [1], keepdims = true> : (tensor<2x4xf32>) -> tensor<2x1xf32>
  %2 = nn.div %0, %1 : (tensor<2x4xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
  %3 = nn.exp %x : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %4 = nn.reduce_sum %3 <axes = [0, 1], keepdims = true> : (tensor<2x4xf32>) -> tensor<1x1xf32>
  %5 = nn.div %3, %4 : (tensor<2x4xf32>, tensor<1x1xf32>) -> tensor<2x4xf32>
  %6 = nn.exp %x : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %7 = nn.exp %y : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %8 = nn.reduce_sum %7 <axes = [1], keepdims = true> : (tensor<2x4xf32>) -> tensor<2x1xf32>
  %9 = nn.div %6, %8 : (tensor<2x4xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
  func.return %0, %2, %5, %9 : tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>
}
