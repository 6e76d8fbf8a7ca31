// RUN: octet-opt %s -p "canonicalize" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "canonicalize,canonicalize" --split-input-file | filecheck %s

// Movement that moves nothing.
// CHECK-LABEL: func.func @identities
// CHECK-NEXT:  func.return %x, %x, %x, %x, %x, %x, %x, %x
func.func @identities(%x : tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>) {
  %0 = nn.reshape %x <shape = [-2, 3]> : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %1 = nn.transpose %x <permutation = [0, 1]> : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %2 = nn.concat %x <axis = 0> : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %3 = nn.slice %x <starts = [0, 0], ends = [9223372036854775807, 3], steps = [1, 1]> : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %4 = nn.pad %x <mode = "edge", pads = [0, 0, 0, 0], value = 0.0> : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %5 = nn.expand %x <shape = [1, 3]> : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %6 = nn.tile %x <repeats = [1, 1]> : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %7 = nn.cast %x : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %0, %1, %2, %3, %4, %5, %6, %7 : tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>
}

// -----

// The shape comes back, the elements do not.
// CHECK-LABEL: func.func @same_shape
// CHECK-NEXT:  nn.transpose
// CHECK-NEXT:  nn.slice
// CHECK-NEXT:  nn.pad
// CHECK-NEXT:  func.return
func.func @same_shape(%x : tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>) {
  %0 = nn.transpose %x <permutation = [1, 0]> : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %1 = nn.slice %x <starts = [1, 0], ends = [-9223372036854775808, 2], steps = [-1, 1]> : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %2 = nn.pad %x <mode = "constant", pads = [1, 0, -1, 0], value = 0.0> : (tensor<2x2xf32>) -> tensor<2x2xf32>
  func.return %0, %1, %2 : tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>
}

// -----

// Functions that undo or repeat themselves.
// CHECK-LABEL: func.func @repeated
// CHECK-NEXT:  %[[R:.*]] = nn.relu %x
// CHECK-NEXT:  %[[A:.*]] = nn.abs %x
// CHECK-NEXT:  func.return %[[R]], %x, %c, %[[A]]
func.func @repeated(%x : tensor<2xf32>, %c : tensor<2xi1>) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xi1>, tensor<2xf32>) {
  %0 = nn.relu %x : (tensor<2xf32>) -> tensor<2xf32>
  %1 = nn.relu %0 : (tensor<2xf32>) -> tensor<2xf32>
  %2 = nn.neg %x : (tensor<2xf32>) -> tensor<2xf32>
  %3 = nn.neg %2 : (tensor<2xf32>) -> tensor<2xf32>
  %4 = nn.not %c : (tensor<2xi1>) -> tensor<2xi1>
  %5 = nn.not %4 : (tensor<2xi1>) -> tensor<2xi1>
  %6 = nn.abs %x : (tensor<2xf32>) -> tensor<2xf32>
  %7 = nn.abs %6 : (tensor<2xf32>) -> tensor<2xf32>
  func.return %1, %3, %5, %7 : tensor<2xf32>, tensor<2xf32>, tensor<2xi1>, tensor<2xf32>
}

// -----

// Between different quantized types neither undoes the other.
// CHECK-LABEL: func.func @repeated_in_tables
// CHECK-COUNT-2: nn.neg
// CHECK-COUNT-2: nn.abs
func.func @repeated_in_tables(%q : tensor<2x!quant.uniform<i8:f32, 0.1>>) -> (tensor<2x!quant.uniform<i8:f32, 0.2>>, tensor<2x!quant.uniform<i8:f32, 0.2>>) {
  %0 = nn.neg %q : (tensor<2x!quant.uniform<i8:f32, 0.1>>) -> tensor<2x!quant.uniform<i8:f32, 0.3>>
  %1 = nn.neg %0 : (tensor<2x!quant.uniform<i8:f32, 0.3>>) -> tensor<2x!quant.uniform<i8:f32, 0.2>>
  %2 = nn.abs %q : (tensor<2x!quant.uniform<i8:f32, 0.1>>) -> tensor<2x!quant.uniform<i8:f32, 0.3>>
  %3 = nn.abs %2 : (tensor<2x!quant.uniform<i8:f32, 0.3>>) -> tensor<2x!quant.uniform<i8:f32, 0.2>>
  func.return %1, %3 : tensor<2x!quant.uniform<i8:f32, 0.2>>, tensor<2x!quant.uniform<i8:f32, 0.2>>
}

// -----

// Identities of arithmetic, integers too; only -0.0 leaves every float as it is when added.
// CHECK-LABEL: func.func @arithmetic
// CHECK-NEXT:  func.return %x, %x, %x, %x, %x, %x, %x, %i, %i
func.func @arithmetic(%x : tensor<2xf32>, %i : tensor<2xi64>) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xi64>, tensor<2xi64>) {
  %one = nn.constant <value = dense<1.0> : tensor<f32>> : () -> tensor<f32>
  %zero = nn.constant <value = dense<0.0> : tensor<2xf32>> : () -> tensor<2xf32>
  %negative = nn.constant <value = dense<-0.0> : tensor<1xf32>> : () -> tensor<1xf32>
  %i0 = nn.constant <value = dense<0> : tensor<i64>> : () -> tensor<i64>
  %i1 = nn.constant <value = dense<1> : tensor<i64>> : () -> tensor<i64>
  %0 = nn.mul %x, %one : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  %1 = nn.mul %one, %x : (tensor<f32>, tensor<2xf32>) -> tensor<2xf32>
  %2 = nn.div %x, %one : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  %3 = nn.sub %x, %zero : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %4 = nn.add %x, %negative : (tensor<2xf32>, tensor<1xf32>) -> tensor<2xf32>
  %5 = nn.add %negative, %x : (tensor<1xf32>, tensor<2xf32>) -> tensor<2xf32>
  %6 = nn.pow %x, %one : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  %7 = nn.add %i, %i0 : (tensor<2xi64>, tensor<i64>) -> tensor<2xi64>
  %8 = nn.div %i, %i1 : (tensor<2xi64>, tensor<i64>) -> tensor<2xi64>
  func.return %0, %1, %2, %3, %4, %5, %6, %7, %8 : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xi64>, tensor<2xi64>
}

// -----

// Adding 0.0 turns -0.0 into 0.0, subtracting -0.0 too; identities on the wrong side; a result of
// another shape; two numbers in one constant.
// CHECK-LABEL: func.func @no_identity
// CHECK:       nn.add
// CHECK-NEXT:  nn.sub
// CHECK-NEXT:  nn.sub
// CHECK-NEXT:  nn.div
// CHECK-NEXT:  nn.pow
// CHECK-NEXT:  nn.mul
// CHECK-NEXT:  nn.sub
// CHECK-NEXT:  func.return
func.func @no_identity(%x : tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<1x2xf32>, tensor<2xf32>) {
  %one = nn.constant <value = dense<1.0> : tensor<1x1xf32>> : () -> tensor<1x1xf32>
  %scalar = nn.constant <value = dense<1.0> : tensor<f32>> : () -> tensor<f32>
  %zero = nn.constant <value = dense<0.0> : tensor<f32>> : () -> tensor<f32>
  %negative = nn.constant <value = dense<-0.0> : tensor<f32>> : () -> tensor<f32>
  %mixed = nn.constant <value = dense<[0.0, -0.0]> : tensor<2xf32>> : () -> tensor<2xf32>
  %0 = nn.add %x, %zero : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  %1 = nn.sub %x, %negative : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  %2 = nn.sub %zero, %x : (tensor<f32>, tensor<2xf32>) -> tensor<2xf32>
  %3 = nn.div %scalar, %x : (tensor<f32>, tensor<2xf32>) -> tensor<2xf32>
  %4 = nn.pow %scalar, %x : (tensor<f32>, tensor<2xf32>) -> tensor<2xf32>
  %5 = nn.mul %x, %one : (tensor<2xf32>, tensor<1x1xf32>) -> tensor<1x2xf32>
  %6 = nn.sub %x, %mixed : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  func.return %0, %1, %2, %3, %4, %5, %6 : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<1x2xf32>, tensor<2xf32>
}

// -----

// CHECK-LABEL: func.func @clamps
// A clip to [0, inf] is a ReLU and keeps its attributes.
// CHECK-NEXT:  nn.relu %x {layer = "Clip_0"}
// Clips of clips; a ReLU counts as one.
// CHECK-NEXT:  nn.clip %x <max = 6.0, min = 1.0> {absorbed = ["inner"], layer = "outer"}
// CHECK-NEXT:  nn.clip %x <max = 6.0, min = 0.0> :
// max and min with a number, in any order.
// CHECK-NEXT:  nn.clip %x <max = 6.0, min = -1.0> {absorbed = ["max"], layer = "min"}
// CHECK-NEXT:  nn.relu %x :
// CHECK-NEXT:  func.return
func.func @clamps(%x : tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) {
  %low = nn.constant <value = dense<-1.0> : tensor<f32>> : () -> tensor<f32>
  %high = nn.constant <value = dense<6.0> : tensor<f32>> : () -> tensor<f32>
  %zero = nn.constant <value = dense<0.0> : tensor<f32>> : () -> tensor<f32>
  %0 = nn.clip %x <min = 0.0, max = inf> {layer = "Clip_0"} : (tensor<2xf32>) -> tensor<2xf32>
  %1 = nn.clip %x <min = -1.0, max = 6.0> {layer = "inner"} : (tensor<2xf32>) -> tensor<2xf32>
  %2 = nn.clip %1 <min = 1.0, max = 8.0> {layer = "outer"} : (tensor<2xf32>) -> tensor<2xf32>
  %3 = nn.clip %x <min = -1.0, max = 6.0> : (tensor<2xf32>) -> tensor<2xf32>
  %4 = nn.relu %3 : (tensor<2xf32>) -> tensor<2xf32>
  %5 = nn.max %x, %low {layer = "max"} : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  %6 = nn.min %high, %5 {layer = "min"} : (tensor<f32>, tensor<2xf32>) -> tensor<2xf32>
  %7 = nn.max %x, %zero : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  func.return %0, %2, %4, %6, %7 : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>
}

// -----

// Ranges that do not meet; a first clip that has another use; max of two values, of integers, and
// with a number per element.
// CHECK-LABEL: func.func @no_clamp
// CHECK-COUNT-4: nn.clip
// CHECK-COUNT-3: nn.max
func.func @no_clamp(%x : tensor<2xf32>, %i : tensor<2xi64>) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xi64>, tensor<2xf32>) {
  %two = nn.constant <value = dense<2> : tensor<i64>> : () -> tensor<i64>
  %each = nn.constant <value = dense<[1.0, 2.0]> : tensor<2xf32>> : () -> tensor<2xf32>
  %0 = nn.clip %x <min = -1.0, max = 1.0> : (tensor<2xf32>) -> tensor<2xf32>
  %1 = nn.clip %0 <min = 2.0, max = 3.0> : (tensor<2xf32>) -> tensor<2xf32>
  %2 = nn.clip %x <min = -1.0, max = 6.0> : (tensor<2xf32>) -> tensor<2xf32>
  %3 = nn.clip %2 <min = 0.0, max = 3.0> : (tensor<2xf32>) -> tensor<2xf32>
  %4 = nn.max %x, %1 : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %5 = nn.max %i, %two : (tensor<2xi64>, tensor<i64>) -> tensor<2xi64>
  %6 = nn.max %x, %each : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  func.return %1, %2, %3, %4, %5, %6 : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xi64>, tensor<2xf32>
}

// -----

// CHECK-LABEL: func.func @transposes
// CHECK-NEXT:  nn.transpose %x <permutation = [2, 0, 1]> {absorbed = ["first"], layer = "second"} : (tensor<2x3x4xf32>) -> tensor<4x2x3xf32>
// CHECK-NEXT:  func.return %{{.*}}, %x
func.func @transposes(%x : tensor<2x3x4xf32>) -> (tensor<4x2x3xf32>, tensor<2x3x4xf32>) {
  %0 = nn.transpose %x <permutation = [1, 2, 0]> {layer = "first"} : (tensor<2x3x4xf32>) -> tensor<3x4x2xf32>
  %1 = nn.transpose %0 <permutation = [1, 2, 0]> {layer = "second"} : (tensor<3x4x2xf32>) -> tensor<4x2x3xf32>
  %2 = nn.transpose %0 <permutation = [2, 0, 1]> : (tensor<3x4x2xf32>) -> tensor<2x3x4xf32>
  func.return %1, %2 : tensor<4x2x3xf32>, tensor<2x3x4xf32>
}

// -----

// A copied dimension is kept as a copy (another batch size stays possible) or replaced by the
// literal it copied.
// CHECK-LABEL: func.func @reshapes
// CHECK-NEXT:  nn.reshape %x <shape = [-2, 2, 12]> {absorbed = ["first"], layer = "second"} : (tensor<2x3x8xf32>) -> tensor<2x2x12xf32>
// A second size to infer: kept apart.
// CHECK-NEXT:  nn.reshape %x <shape = [-1, 4]>
// CHECK-NEXT:  nn.reshape %{{.*}} <shape = [-2, -1, 2]>
// CHECK-NEXT:  func.return
func.func @reshapes(%x : tensor<2x3x8xf32>) -> (tensor<2x2x12xf32>, tensor<12x2x2xf32>) {
  %0 = nn.reshape %x <shape = [-2, 24]> {layer = "first"} : (tensor<2x3x8xf32>) -> tensor<2x24xf32>
  %1 = nn.reshape %0 <shape = [-2, 2, 12]> {layer = "second"} : (tensor<2x24xf32>) -> tensor<2x2x12xf32>
  %2 = nn.reshape %x <shape = [-1, 4]> : (tensor<2x3x8xf32>) -> tensor<12x4xf32>
  %3 = nn.reshape %2 <shape = [-2, -1, 2]> : (tensor<12x4xf32>) -> tensor<12x2x2xf32>
  func.return %1, %3 : tensor<2x2x12xf32>, tensor<12x2x2xf32>
}

// -----

// CHECK-LABEL: func.func @concats
// CHECK-NEXT:  nn.concat %a, %b, %a <axis = 0> {absorbed = ["inner"], layer = "outer"}
// Another axis; an inner concat that has another use.
// CHECK-NEXT:  nn.concat %a, %b <axis = 1>
// CHECK-NEXT:  nn.concat
// CHECK-NEXT:  nn.concat %a, %b <axis = 0>
// CHECK-NEXT:  nn.concat
// CHECK-NEXT:  func.return
func.func @concats(%a : tensor<2x2xf32>, %b : tensor<2x2xf32>, %c : tensor<2x4xf32>) -> (tensor<6x2xf32>, tensor<4x4xf32>, tensor<4x2xf32>, tensor<6x2xf32>) {
  %0 = nn.concat %a, %b <axis = -2> {layer = "inner"} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %1 = nn.concat %0, %a <axis = 0> {layer = "outer"} : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<6x2xf32>
  %2 = nn.concat %a, %b <axis = 1> : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x4xf32>
  %3 = nn.concat %2, %c <axis = 0> : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<4x4xf32>
  %4 = nn.concat %a, %b <axis = 0> : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %5 = nn.concat %4, %a <axis = 0> : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<6x2xf32>
  func.return %1, %3, %4, %5 : tensor<6x2xf32>, tensor<4x4xf32>, tensor<4x2xf32>, tensor<6x2xf32>
}

// -----

// Slices of different dimensions compose; a dimension that is cut twice does not.
// CHECK-LABEL: func.func @slices
// CHECK-NEXT:  nn.slice %x <ends = [2, 9], starts = [0, 1], steps = [1, 2]> {absorbed = ["rows"], layer = "columns"} : (tensor<4x8xf32>) -> tensor<2x4xf32>
// CHECK-NEXT:  nn.slice %x
// CHECK-NEXT:  nn.slice
// CHECK-NEXT:  func.return
func.func @slices(%x : tensor<4x8xf32>) -> (tensor<2x4xf32>, tensor<1x8xf32>) {
  %0 = nn.slice %x <starts = [0, 0], ends = [2, 9223372036854775807], steps = [1, 1]> {layer = "rows"} : (tensor<4x8xf32>) -> tensor<2x8xf32>
  %1 = nn.slice %0 <starts = [0, 1], ends = [9223372036854775807, 9], steps = [1, 2]> {layer = "columns"} : (tensor<2x8xf32>) -> tensor<2x4xf32>
  %2 = nn.slice %x <starts = [0, 0], ends = [2, 9223372036854775807], steps = [1, 1]> : (tensor<4x8xf32>) -> tensor<2x8xf32>
  %3 = nn.slice %2 <starts = [1, 0], ends = [2, 9223372036854775807], steps = [1, 1]> : (tensor<2x8xf32>) -> tensor<1x8xf32>
  func.return %1, %3 : tensor<2x4xf32>, tensor<1x8xf32>
}
